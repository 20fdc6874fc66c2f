//go:build linux

package source

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// wantPaths scans dir and compares the paths in the tree, and the reserved paths.
func wantPaths(t *testing.T, dir string, scope Scope, reserved []Reserved, want, leftOut []string) {
	t.Helper()
	scanned, err := Scan(t.Context(), dir, scope, Options{Reserved: reserved})
	if err != nil {
		t.Fatal(err)
	}
	if got := scanned.Paths(); !slices.Equal(got, want) {
		t.Errorf("paths %q, want %q", got, want)
	}
	if got := scanned.ReservedPaths(); !slices.Equal(got, leftOut) {
		t.Errorf("left out %q, want %q", got, leftOut)
	}
}

// reservedFolderCase is a case of TestReservedFoldersAreNotInTheTree.
type reservedFolderCase struct {
	files    []string
	link     string // to the context, by which it is scanned
	reserved string
	scope    Scope
	want     []string
	leftOut  []string
}

// reservedFolderCases returns the cases of TestReservedFoldersAreNotInTheTree, by name.
func reservedFolderCases(root []string, others []string, all []string) map[string]reservedFolderCase {
	onlyApp := append([]string{"app"}, others...)
	ours := []string{".cache/ours"}
	return map[string]reservedFolderCase{
		"nothing":             {want: all},
		"a folder of its own": {reserved: ".cache/ours", want: onlyApp, leftOut: ours},
		"a folder beside something else": {
			files: []string{".cache/theirs"}, reserved: ".cache/ours", leftOut: ours,
			want: slices.Concat([]string{".cache", ".cache/theirs", "app"}, others),
		},
		"a folder of a context by a link":  {link: "link", reserved: ".cache/ours", want: onlyApp, leftOut: ours},
		"a folder by a link":               {reserved: "../way/.cache/ours", want: onlyApp, leftOut: ours},
		"a folder that does not exist yet": {files: []string{"empty/"}, reserved: "empty/new/ours", want: all},
		"a file":                           {reserved: ".cache/ours/log", want: onlyApp, leftOut: root[2:3]},
		"an ignored folder": {
			reserved: ".cache/ours", scope: Scope{Excludes: []string{".cache/*", "lib"}},
			want: []string{".cache", "app"},
		},
		"a folder elsewhere": {reserved: "../elsewhere", want: all},
	}
}

// A reserved path is left out wherever it is reached, and not because of its name. A folder that holds nothing else is
// not in the tree either, also if the reserved path does not exist yet.
func TestReservedFoldersAreNotInTheTree(t *testing.T) {
	t.Parallel()
	root := []string{".cache", ".cache/ours", ".cache/ours/log", "app"}
	others := []string{"lib", "lib/.cache", "lib/.cache/ours", "lib/.cache/ours/log"}
	all := slices.Concat(root, others)
	for name, test := range reservedFolderCases(root, others, all) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			base := t.TempDir()
			dir := filepath.Join(base, "context")
			for _, file := range append(test.files, all...) {
				path := filepath.Join(dir, file)
				err := os.MkdirAll(filepath.Dir(path), 0o755)
				if filepath.Base(file) == "app" || filepath.Base(file) == "log" || filepath.Base(file) == "theirs" {
					err = errors.Join(err, os.WriteFile(path, nil, 0o644))
				} else {
					err = errors.Join(err, os.MkdirAll(path, 0o755))
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			way, link := filepath.Join(base, "way"), filepath.Join(base, "link")
			err := errors.Join(os.Symlink(dir, way), os.Symlink(dir, link))
			if err != nil {
				t.Fatal(err)
			}
			var reserved []Reserved
			if test.reserved != "" {
				reserved = []Reserved{{Path: filepath.Join(dir, test.reserved)}}
			}
			if test.link != "" {
				dir = filepath.Join(base, test.link)
			}
			wantPaths(t, dir, test.scope, reserved, test.want, test.leftOut)
		})
	}
}

// A mount shows a folder at a path that no link leads to.
func TestAReservedFolderIsKnownBehindAMount(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("NOT TESTED: only root mounts: run the tests as root")
	}
	dir, ours := writeTree(t, map[string]string{"a/there/": "", "app": ""}), writeTree(t, map[string]string{"log": ""})
	shown := filepath.Join(dir, "a/there")
	if err := errors.Join(os.MkdirAll(shown, 0o755), unix.Mount(ours, shown, "", unix.MS_BIND, "")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(shown, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	wantPaths(t, dir, Scope{}, []Reserved{{Path: ours}}, []string{"a", "app"}, []string{"a/there"})
}

// A context that is one of our folders, or lies in one, would change with each build.
func TestAReservedFolderIsNoContext(t *testing.T) {
	t.Parallel()
	base, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	ours := filepath.Join(base, "ours")
	err = errors.Join(os.MkdirAll(filepath.Join(ours, "in"), 0o755), os.Symlink(ours, filepath.Join(base, "link")))
	if err != nil {
		t.Fatal(err)
	}
	for dir, at := range map[string]string{"ours": "ours", "ours/in": "ours/in", "link": "ours", "link/in": "ours/in"} {
		path := filepath.Join(base, dir)
		_, err := Scan(t.Context(), path, Scope{}, Options{Reserved: []Reserved{{Path: ours, Own: true}}})
		refused, ok := errors.AsType[*ReservedError](err)
		if want := (ReservedError{Dir: filepath.Join(base, at), Folder: ours}); !ok || *refused != want {
			t.Errorf("%s: error %v, want %v", dir, err, &want)
		}
		if _, err := Scan(t.Context(), path, Scope{}, Options{Reserved: []Reserved{{Path: ours}}}); err != nil {
			t.Errorf("%s: %v", dir, err)
		}
	}
}
