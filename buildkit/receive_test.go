//go:build unix

package buildkit

import (
	"archive/tar"
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tonistiigi/fsutil/types"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/file"
)

// An exported entry becomes a plain file of this user, or is left out.
func TestExportedFilesArePlain(t *testing.T) {
	t.Parallel()
	capability := map[string][]byte{"security.capability": {1}, "user.note": {2}, "trusted.overlay.opaque": {3}}
	for name, c := range map[string]struct {
		mode  fs.FileMode
		xattr map[string][]byte
		want  fs.FileMode
		left  bool
		noted bool
	}{
		"file":       {mode: 0o754, want: 0o754},
		"folder":     {mode: fs.ModeDir | fs.ModeSticky | 0o777, want: fs.ModeDir | fs.ModeSticky | 0o777},
		"link":       {mode: fs.ModeSymlink | 0o777, want: fs.ModeSymlink | 0o777},
		"setuid":     {mode: fs.ModeSetuid | 0o755, want: 0o755, noted: true},
		"setgid":     {mode: fs.ModeDir | fs.ModeSetgid | 0o755, want: fs.ModeDir | 0o755, noted: true},
		"capability": {mode: 0o755, xattr: capability, want: 0o755, noted: true},
		"device":     {mode: fs.ModeDevice | 0o666, left: true, noted: true},
		"character":  {mode: fs.ModeDevice | fs.ModeCharDevice | 0o666, left: true, noted: true},
		"FIFO":       {mode: fs.ModeNamedPipe | 0o666, left: true, noted: true},
		"socket":     {mode: fs.ModeSocket | 0o666, left: true, noted: true},
	} {
		root, err := os.OpenRoot(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		folder := &exportedFolder{root: root}
		stat := &types.Stat{Mode: uint32(c.mode), Uid: 4711, Gid: 4711, Xattrs: c.xattr}
		taken := folder.makePlain("dir/name", stat)
		_, _ = folder.makePlain("dir/name", &types.Stat{Mode: uint32(c.mode)}), root.Close()
		if taken == c.left || taken && fs.FileMode(stat.Mode) != c.want || int(stat.Uid) != os.Getuid() {
			t.Errorf("%s: taken %v, mode %s, user %d", name, taken, fs.FileMode(stat.Mode), stat.Uid)
		}
		warning := errorLine(folder.plainFiles())
		if n := strings.Count(warning, "dir/name"); (n == 1) != c.noted || n > 1 {
			t.Errorf("%s: warning %q", name, warning)
		}
		if len(c.xattr) > 0 && (len(stat.Xattrs) != 1 || stat.Xattrs["user.note"] == nil) {
			t.Errorf("%s: attributes %v", name, stat.Xattrs)
		}
	}
}

// unpack writes nothing outside of its folder, whatever the names in the archive and the links in the folder.
func TestUnpackStaysInItsFolder(t *testing.T) {
	t.Parallel()
	for name, wrong := range map[string]bool{
		"f": false, "d/f": false, "link": false, "inner/f": false, "../f": true, "/f": false, "d/../../f": true,
		"outer/f": true, "folder": true,
	} {
		top := t.TempDir()
		writeFiles(t, top, map[string]string{"to/d/x": "", "to/folder/x": "", "beside/f": "old", "to/own/f": "old"})
		for link, text := range map[string]string{"link": "../beside/f", "outer": "../beside", "inner": "own"} {
			if err := os.Symlink(text, filepath.Join(top, "to", link)); err != nil {
				t.Fatal(err)
			}
		}
		root, err := os.OpenRoot(filepath.Join(top, "to"))
		if err != nil {
			t.Fatal(err)
		}
		err = unpack(bytes.NewReader(tarOf(t, name)), root)
		_ = root.Close()
		if (err != nil) != wrong && name != "/f" { // which is refused, or below the folder
			t.Errorf("%s: error %v", name, err)
		}
		if text, err := os.ReadFile(filepath.Join(top, "beside/f")); err != nil || string(text) != "old" {
			t.Errorf("%s: beside it there is %q, %v", name, text, err)
		}
		_ = filepath.WalkDir(top, func(path string, _ fs.DirEntry, err error) error {
			if strings.Contains(path, "unpacked") || err != nil {
				t.Errorf("%s: %s is left, %v", name, path, err)
			}
			return nil
		})
	}
}

func tarOf(t *testing.T, name string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Size: 3, Mode: 0o4755}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("new")); err != nil || w.Close() != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// A sink that cannot be committed leaves no file. NewFile does not follow a link out of the project.
func TestNewFileLeavesNothing(t *testing.T) {
	t.Parallel()
	top := t.TempDir()
	writeFiles(t, top, map[string]string{"p/taken/x": "", "beside/x": ""})
	if err := os.Symlink("../beside", filepath.Join(top, "p/out")); err != nil {
		t.Fatal(err)
	}
	for name, commit := range map[string]bool{"taken": true, "aborted": false} {
		sink, err := NewFile(filepath.Join(top, "p"), filepath.Join(top, "p", name))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := sink.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		if commit {
			if err := sink.Commit(); err == nil {
				t.Errorf("%s: no error", name)
			}
		} else if err := sink.Abort(); err != nil {
			t.Error(err)
		}
	}
	for _, path := range []string{"p/out/f", "p/out/new/f"} {
		if _, err := NewFile(filepath.Join(top, "p"), filepath.Join(top, path)); !errors.As(err, new(*file.LinkError)) {
			t.Errorf("%s: error %v", path, err)
		}
	}
	entries, err := os.ReadDir(filepath.Join(top, "p"))
	beside, _ := os.ReadDir(filepath.Join(top, "beside"))
	if err != nil || len(entries) != 2 || len(beside) != 1 {
		t.Errorf("there is %v, and beside it %v; %v", entries, beside, err)
	}
}
