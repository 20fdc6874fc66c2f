//go:build unix

package buildkit_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAnUnreadableFileIsAnError(t *testing.T) {
	t.Parallel()
	dir := sharedFolder(t, 20, nobody)
	must(os.Chmod(filepath.Join(dir, "d2/f7"), 0))
	if got := (ordinaryUser{Dir: dir, User: nobody}).start(t); got != "error: d2/f7: permission denied" {
		t.Errorf("a file: %s", got)
	}
	must(os.Chmod(filepath.Join(dir, "d2/f7"), 0o644))
	must(os.Chmod(filepath.Join(dir, "d3"), 0o700))
	if got := (ordinaryUser{Dir: dir, User: nobody}).start(t); got != "error: d3: permission denied" {
		t.Errorf("a folder: %s", got)
	}
	must(os.WriteFile(filepath.Join(dir, ".dockerignore"), []byte("d3\n"), 0o644))
	if got := (ordinaryUser{Dir: dir, User: nobody}).start(t); !strings.HasPrefix(got, "ok ") {
		t.Errorf("an ignored folder: %s", got)
	}
}

func TestAFileThatBecameUnreadableIsAnError(t *testing.T) {
	t.Parallel()
	o := ordinaryUser{Dir: sharedFolder(t, 20, nobody), User: nobody, Endpoint: proxyDaemon(t), Unreadable: "d2/f7"}
	if got := o.start(t); !strings.HasPrefix(got, "error: d2/f7 changed between hashing and sending (") ||
		!strings.Contains(got, "permission denied") {
		t.Error(got)
	}
}

// If the build ignored the error, the image would have the files that the ignore file excludes.
func TestAnIgnoreFileThatCannotBeReadIsAnError(t *testing.T) {
	t.Parallel()
	dir := sharedFolder(t, 5, nobody)
	ignore := filepath.Join(dir, ".dockerignore")
	must(os.WriteFile(ignore, []byte("d3\n"), 0o600))
	if got, want := (ordinaryUser{
		Dir: dir, User: nobody,
	}).start(t), "error: open "+ignore+": permission denied"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	got := ordinaryUser{Dir: dir, LoadFiles: -1}.start(t)
	if !strings.HasPrefix(got, "error: open "+dir) || !strings.HasSuffix(got, ": too many open files") {
		t.Errorf("got %s", got)
	}
}
