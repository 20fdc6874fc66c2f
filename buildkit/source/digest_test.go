package source

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// writeTree writes files below a new folder: name → content. A name that ends in / is a folder, and a content
// that begins with -> is a link.
func writeTree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		switch {
		case name[len(name)-1] == '/':
			err = os.MkdirAll(path, 0o755)
		case len(content) > 2 && content[:2] == "->":
			err = os.Symlink(content[2:], path)
		default:
			err = os.WriteFile(path, []byte(content), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func digestOf(t *testing.T, dir string, excludes ...string) [32]byte {
	t.Helper()
	scanned, err := Scan(t.Context(), dir, Scope{Excludes: excludes}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return scanned.Digest()
}

func baseFiles() map[string]string {
	return map[string]string{"a.txt": "alpha", "dir/b": "beta", "link": "->a.txt", "empty/": ""}
}

func TestDigestDiffersWhenTheBuildWould(t *testing.T) {
	t.Parallel()
	changes := map[string]func(dir string) error{
		"content":               func(d string) error { return os.WriteFile(d+"/a.txt", []byte("alphA"), 0o644) },
		"name":                  func(d string) error { return os.Rename(d+"/a.txt", d+"/c.txt") },
		"case of a name":        func(d string) error { return os.Rename(d+"/a.txt", d+"/A.txt") },
		"executable":            func(d string) error { return os.Chmod(d+"/a.txt", 0o755) },
		"readable by others":    func(d string) error { return os.Chmod(d+"/a.txt", 0o640) },
		"setuid":                func(d string) error { return os.Chmod(d+"/a.txt", 0o644|os.ModeSetuid) },
		"mode of a folder":      func(d string) error { return os.Chmod(d+"/dir", 0o700) },
		"new file":              func(d string) error { return os.WriteFile(d+"/dir/c", nil, 0o644) },
		"new empty folder":      func(d string) error { return os.Mkdir(d+"/dir/sub", 0o755) },
		"removed folder":        func(d string) error { return os.Remove(d + "/empty") },
		"text of a link":        func(d string) error { return relink(d+"/link", "dir/b") },
		"link to the same file": func(d string) error { return relink(d+"/link", "./a.txt") },
		"dangling link":         func(d string) error { return relink(d+"/link", "nowhere") },
		"file instead of link":  func(d string) error { return replace(d+"/link", "a.txt") },
		"bytes move over a name border": func(d string) error {
			return os.Rename(d+"/dir/b", d+"/dirb")
		},
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := writeTree(t, baseFiles())
			before := digestOf(t, dir)
			if err := change(dir); err != nil {
				t.Fatal(err)
			}
			if digestOf(t, dir) == before {
				t.Error("the digest did not change")
			}
		})
	}
}

func TestDigestStaysWhenTheBuildWould(t *testing.T) {
	t.Parallel()
	changes := map[string]func(dir string) error{
		"touch":            func(d string) error { return os.Chtimes(d+"/a.txt", time.Unix(1, 0), time.Unix(1, 0)) },
		"umask 002":        func(d string) error { return os.Chmod(d+"/a.txt", 0o664) },
		"umask 002 folder": func(d string) error { return os.Chmod(d+"/dir", 0o775) },
		"owner":            func(d string) error { return os.Lchown(d+"/a.txt", os.Getuid(), os.Getgid()) },
		"ignored file":     func(d string) error { return os.WriteFile(d+"/noise.log", []byte("x"), 0o644) },
		"rewritten alike":  func(d string) error { return replace(d+"/a.txt", "alpha") },
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := writeTree(t, baseFiles())
			before := digestOf(t, dir, "*.log")
			if err := change(dir); err != nil {
				t.Fatal(err)
			}
			if digestOf(t, dir, "*.log") != before {
				t.Error("the digest changed")
			}
		})
	}
}

func TestDigestIsTheSameInEveryCheckout(t *testing.T) {
	t.Parallel()
	one, other := writeTree(t, baseFiles()), writeTree(t, baseFiles())
	if digestOf(t, one) != digestOf(t, other) {
		t.Error("two checkouts of one tree have different digests")
	}
}

// The format of the digest must not change: every image of every user would be built again.
func TestDigestFormat(t *testing.T) {
	t.Parallel()
	const want = "eeaa4921f18c369e"
	got := digestOf(t, writeTree(t, baseFiles()))
	if sum := hex.EncodeToString(got[:8]); sum != want {
		t.Errorf("digest %s, want %s: a change of the format needs a new version in its header "+
			"and an entry in the changelog", sum, want)
	}
}

func TestFilesAfterADanglingLinkCount(t *testing.T) {
	t.Parallel()
	dir := writeTree(t, map[string]string{"a": "->nowhere", "b": "1"})
	before := digestOf(t, dir)
	if err := replace(dir+"/b", "2"); err != nil {
		t.Fatal(err)
	}
	if digestOf(t, dir) == before {
		t.Error("a file after a dangling link is not hashed")
	}
}

func relink(path, text string) error {
	if err := os.Remove(path); err != nil {
		return err
	}
	return os.Symlink(text, path)
}

func replace(path, content string) error {
	if err := os.Remove(path); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(content), 0o644)
}
