//go:build linux

package daemon_test

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon"
)

// A client that is frozen while it starts a daemon holds a lock. Others wait for it no longer than their limit, and
// name the lock. When the holder is gone, the file that it leaves is no obstacle.
func TestALockOfAFrozenClient(t *testing.T) {
	t.Parallel()
	dir := newFolderWith(t, newState(t))
	lock, err := os.OpenFile(dir+"/start.lock", os.O_RDWR|os.O_CREATE, 0o600)
	must(t, err, unix.Flock(int(lock.Fd()), unix.LOCK_EX))
	begun := time.Now()
	_, err = daemon.Acquire(t.Context(), daemon.Options{Dir: dir, Limit: 2 * time.Second})
	said := "waiting for the lock " + dir + "/start.lock: "
	e, ok := errors.AsType[*daemon.Error](err)
	if !ok || e.Fault != daemon.NotReady || !strings.Contains(err.Error(), said) {
		t.Errorf("got %v", err)
	}
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("it took %s", took)
	}
	must(t, lock.Close())
	lease, _ := acquire(t, daemon.Options{Dir: dir, Idle: time.Second})
	mustRun(t, lease.Endpoint(), "true")
}
