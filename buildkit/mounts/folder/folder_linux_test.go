package folder

import (
	"archive/tar"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// write writes files into a folder, with the age of each in hours.
func write(t *testing.T, dir string, files map[string]string, age int) {
	t.Helper()
	for path, content := range files {
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		when := time.Now().Add(-time.Duration(age) * time.Hour)
		if err := os.Chtimes(path, when, when); err != nil {
			t.Fatal(err)
		}
	}
}

// mustPack packs a mount and returns the folder with it.
func mustPack(t *testing.T, mount, base string, limit int64, secrets ...string) (string, Report) {
	t.Helper()
	c, err := read(mount, base)
	if err != nil {
		t.Fatal(err)
	}
	c.bound(limit)
	var all [][]byte
	for _, s := range secrets {
		all = append(all, []byte(s))
	}
	out := t.TempDir()
	r, err := pack(c, mount, out, all)
	if err != nil {
		t.Fatal(err)
	}
	return out, r
}

// mustRestore restores a new folder and returns it.
func mustRestore(t *testing.T, mount, base, from string) Report {
	t.Helper()
	r, err := restore(mount, base, from, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// has tells whether a path exists.
func has(elements ...string) bool {
	_, err := os.Lstat(filepath.Join(elements...))
	return err == nil
}

// The oldest files stay behind until the others fit. The names of one file stay together.
func TestMaxSizeLeavesOutTheOldest(t *testing.T) {
	t.Parallel()
	mount, into := t.TempDir(), t.TempDir()
	write(t, mount, map[string]string{"old": strings.Repeat("o", 100)}, 3)
	write(t, mount, map[string]string{"a/new": strings.Repeat("n", 60), "empty": ""}, 1)
	if err := os.Link(filepath.Join(mount, "old"), filepath.Join(mount, "a/older")); err != nil {
		t.Fatal(err)
	}
	_, all := mustPack(t, mount, "/nowhere", 160)
	if all.LeftOut != 0 || all.Files != 3 || all.Bytes != 160 {
		t.Errorf("160 bytes: got %+v", all)
	}
	out, r := mustPack(t, mount, "/nowhere", 159)
	if r.LeftOut != 1 || r.LeftOutBytes != 100 || r.Files != 2 || r.Bytes != 60 {
		t.Errorf("159 bytes: got %+v", r)
	}
	again := mustRestore(t, into, "/nowhere", out)
	if !again.Restored || has(into, "old") || has(into, "a/older") || !has(into, "a/new") || again.Bytes != 60 {
		t.Errorf("restored %+v", again)
	}
	c, _ := read(into, "/nowhere")
	if got := c.report().Digest; got != r.Digest {
		t.Errorf("the restored mount has the digest %s, want %s", got, r.Digest)
	}
}

// A file with a secret stays behind, also if the secret lies across two reads.
func TestSecretsStayBehind(t *testing.T) {
	t.Parallel()
	mount, into := t.TempDir(), t.TempDir()
	write(t, mount, map[string]string{
		"first": "token=s3cret-value\n", "seam": strings.Repeat("x", 1<<18-5) + "s3cret-value", "short": "abc",
		"harmless": "s3cret-valu", "z": "last",
	}, 0)
	out, r := mustPack(t, mount, "/nowhere", 1<<30, "s3cret-value\n", "abc")
	if strings.Join(r.WithSecret, " ") != "first seam" || r.Files != 3 {
		t.Errorf("got %+v", r)
	}
	mustRestore(t, into, "/nowhere", out)
	if has(into, "first") || has(into, "seam") || !has(into, "short") || !has(into, "harmless") || !has(into, "z") {
		t.Error("other files were restored")
	}
}

// A secret stays behind in every other place too: the names of files and folders, further names of a file, the targets
// of links, and the names and values of attributes.
func TestSecretsOutsideOfFilesStayBehind(t *testing.T) {
	t.Parallel()
	const secret = "s3cret-value"
	mount := t.TempDir()
	write(t, mount, map[string]string{"a": "A", "of-" + secret: "", "d-" + secret + "/x": "", "k": "", "v": ""}, 0)
	err := errors.Join(
		os.Link(filepath.Join(mount, "a"), filepath.Join(mount, "further-"+secret)),
		os.Symlink("to-"+secret, filepath.Join(mount, "link")),
		unix.Setxattr(filepath.Join(mount, "k"), "user."+secret, []byte("x"), 0),
		unix.Setxattr(filepath.Join(mount, "v"), "user.x", []byte(secret), 0),
	)
	if err != nil {
		t.Fatal(err)
	}
	out, r := mustPack(t, mount, "/nowhere", 1<<30, "another-secret", secret)
	archive, err := os.ReadFile(filepath.Join(out, archiveFile))
	if err != nil || strings.Contains(string(archive), secret) {
		t.Errorf("%v; the archive holds the secret", err)
	}
	if len(r.WithSecret) != 7 || strings.Contains(strings.Join(r.WithSecret, " "), secret) || r.Files != 1 {
		t.Errorf("got %+v", r)
	}
}

// A restore that was killed begins anew. A mount that holds something is left as it is.
func TestRestoreAgain(t *testing.T) {
	t.Parallel()
	mount, into := t.TempDir(), t.TempDir()
	write(t, mount, map[string]string{"d/a": "A", "b": "B"}, 1)
	out, _ := mustPack(t, mount, "/nowhere", 1<<30)
	write(t, into, map[string]string{marker + "/new": "half"}, 0)
	if r := mustRestore(t, into, "/nowhere", out); !r.Restored || has(into, marker) || !has(into, "d/a") {
		t.Errorf("after a kill: %+v", r)
	}
	if text, _ := os.ReadFile(filepath.Join(into, "b")); string(text) != "B" {
		t.Errorf("b is %q", text)
	}
	if r := mustRestore(t, into, "/nowhere", out); r.Restored || r.Empty {
		t.Errorf("a full mount: %+v", r)
	}
}

// What was removed from the base is removed again, and a file takes the place of a folder.
func TestRestoreOnABase(t *testing.T) {
	t.Parallel()
	mount, into := t.TempDir(), t.TempDir()
	for _, dir := range []string{mount, mount + "-base", into, into + "-base"} {
		write(t, dir, map[string]string{"gone/x": "x", "turned/y": "y", "kept": "k"}, 0)
		when := time.Unix(1e9, 0)
		for _, path := range []string{"gone/x", "turned/y", "kept"} {
			if err := os.Chtimes(filepath.Join(dir, path), when, when); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, path := range []string{"gone", "turned"} {
		if err := os.RemoveAll(filepath.Join(mount, path)); err != nil {
			t.Fatal(err)
		}
	}
	write(t, mount, map[string]string{"turned": "a file"}, 0)
	out, r := mustPack(t, mount, mount+"-base", 1<<30)
	if r.Files != 1 || r.Base == "" {
		t.Errorf("packed %+v", r)
	}
	got := mustRestore(t, into, into+"-base", out)
	if text, _ := os.ReadFile(filepath.Join(into, "turned")); string(text) != "a file" || has(into, "gone") ||
		!has(into, "kept") || !got.Restored {
		t.Errorf("restored %+v, turned is %q", got, text)
	}
}

// What another build puts into a folder of the base stays, although the cache lacks the folder.
func TestRestoreKeepsFilesOfOthers(t *testing.T) {
	t.Parallel()
	into := t.TempDir()
	write(t, into, map[string]string{"gone/x": "x", "gone/in/y": "y", "left/z": "z"}, 0)
	now, err := read(into, "/nowhere")
	if err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(into)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = root.Close() }()
	m := mover{mount: root, start: map[string]entry{}}
	for _, e := range now.entries {
		m.start[e.path] = e
	}
	write(t, into, map[string]string{"left/new/a": "theirs"}, 0)
	if err := m.moveAll(packed{removed: []string{"gone", "left"}}); err != nil {
		t.Fatal(err)
	}
	if has(into, "gone") || has(into, "left/z") || !has(into, "left/new/a") {
		left, err := scan(into)
		t.Errorf("left %+v: %v", left, err)
	}
}

// A forged cache writes nothing outside of the mount, and leaves nothing in it.
func TestRestoreStaysInTheMount(t *testing.T) {
	t.Parallel()
	link := &tar.Header{Name: "l", Linkname: "..", Typeflag: tar.TypeSymlink}
	for name, headers := range map[string][]*tar.Header{
		"no header after the first":  {{Name: strings.Repeat("x", 300), Typeflag: tar.TypeFifo}},
		"a path that leads out":      {{Name: "../out", Typeflag: tar.TypeReg}},
		"an absolute path":           {{Name: "/out", Typeflag: tar.TypeReg}},
		"a link that leads out":      {link, {Name: "l/out", Typeflag: tar.TypeReg}},
		"a folder by a link":         {link, {Name: "l/out", Typeflag: tar.TypeDir}},
		"a hard link that leads out": {{Name: "h", Linkname: "../secret", Typeflag: tar.TypeLink}},
		"a device":                   {{Name: "null", Typeflag: tar.TypeChar, Devmajor: 1, Devminor: 3}},
		"the marker":                 {{Name: marker + "/x", Typeflag: tar.TypeReg}},
		"no end":                     {{Name: "big", Typeflag: tar.TypeReg, Size: 1 << 20}},
		"too many bytes":             {{Name: "big", Typeflag: tar.TypeReg, Size: 1001}},
		"the same name twice":        {{Name: "first", Typeflag: tar.TypeReg}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			write(t, dir, map[string]string{"secret": "s", "from/" + removedFile: `["../secret"]`, "mount/x": ""}, 0)
			if err := os.Remove(filepath.Join(dir, "mount/x")); err != nil {
				t.Fatal(err)
			}
			archive, err := os.Create(filepath.Join(dir, "from", archiveFile))
			if err != nil {
				t.Fatal(err)
			}
			w := tar.NewWriter(archive)
			_ = w.WriteHeader(&tar.Header{Name: "first", Typeflag: tar.TypeReg, Uid: os.Getuid(), Gid: os.Getgid()})
			for _, h := range headers {
				own := *h // cases share headers
				own.Uid, own.Gid = os.Getuid(), os.Getgid()
				_ = w.WriteHeader(&own)
			}
			_ = archive.Close()
			r, err := restore(filepath.Join(dir, "mount"), "/nowhere", filepath.Join(dir, "from"), 1000)
			if err == nil {
				t.Errorf("got %+v", r)
			}
			if left, _ := os.ReadDir(filepath.Join(dir, "mount")); len(left) > 0 || has(dir, "out") || has("/out") ||
				!has(dir, "secret") {
				t.Errorf("left %v in the mount", left)
			}
		})
	}
}

// The lock of a mount makes a second restore wait, and then it finds the mount filled.
func TestTwoRestores(t *testing.T) {
	t.Parallel()
	mount, into := t.TempDir(), t.TempDir()
	write(t, mount, map[string]string{"a": "A"}, 1)
	out, _ := mustPack(t, mount, "/nowhere", 1<<30)
	holder, err := os.Open(into)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Flock(int(holder.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	done := make(chan Report)
	go func() {
		r, _ := restore(into, "/nowhere", out, 1<<30)
		done <- r
	}()
	select {
	case r := <-done:
		t.Fatalf("it did not wait: %+v", r)
	case <-time.After(50 * time.Millisecond):
	}
	write(t, into, map[string]string{"a": "mine"}, 0)
	_ = holder.Close()
	if r := <-done; r.Restored {
		t.Errorf("it restored a mount that was filled meanwhile: %+v", r)
	}
}
