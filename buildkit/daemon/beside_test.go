//go:build linux

package daemon_test

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon"
)

// setLastUse sets the times of the files in a daemon's folder.
func setLastUse(t *testing.T, dir string, age time.Duration) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	for _, e := range entries {
		when := time.Now().Add(-age)
		must(t, os.Chtimes(filepath.Join(dir, e.Name()), when, when))
	}
}

// The folder of a daemon that ran beside another one goes when nobody has used it for a week and the next daemon
// starts there. The folder of a daemon that runs stays, and so does what somebody else put there.
func TestUnusedFolderBesideIsRemoved(t *testing.T) {
	t.Parallel()
	dir := newDaemonFolder(t)
	other := startClient(t, dir, 100*time.Millisecond, otherVersionPath(t))
	other.endpoint(t)
	running, lines := acquire(t, daemon.Options{Dir: dir, Idle: time.Second})
	wantTexts(t, strings.Join(lines, "\n"),
		". After a week without use, the next daemon that starts in "+dir+" removes it")
	mustRun(t, running.Endpoint(), "true")
	beside := filepath.Dir(strings.TrimPrefix(running.Endpoint(), "unix://"))
	const old = 8 * 24 * time.Hour
	for name, age := range map[string]time.Duration{"unused": old, "held": old, "foreign": old, "recent": time.Hour} {
		copied := dir + "/beside-" + name
		text, err := exec.Command("cp", "-a", beside, copied).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		if name == "foreign" {
			must(t, os.Remove(copied+"/pulumi-buildkit.txt"))
		}
		setLastUse(t, copied, age)
	}
	setLastUse(t, beside, old)
	held, err := os.OpenFile(dir+"/beside-held/clients.lock", os.O_RDWR, 0)
	must(t, err, unix.Flock(int(held.Fd()), unix.LOCK_SH))
	defer held.Close()
	must(t, other.stdin.Close(), other.cmd.Wait())
	acquire(t, daemon.Options{Dir: dir, Idle: time.Minute})
	eventually(t, patience, "the unused folder is gone", func() bool {
		_, err := os.Lstat(dir + "/beside-unused")
		left, _ := filepath.Glob(dir + "/unused-*")
		return errors.Is(err, fs.ErrNotExist) && len(left) == 0
	})
	wantFiles(t, dir, map[string]bool{
		"beside-held/root": true, "beside-foreign/root": true, "beside-recent/root": true,
		filepath.Base(beside) + "/root": true,
	})
	mustRun(t, running.Endpoint(), "true")
}
