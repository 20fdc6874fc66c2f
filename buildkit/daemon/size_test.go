//go:build linux

package daemon_test

import (
	"testing"
	"time"

	bk "github.com/moby/buildkit/client"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon"
)

// cacheSize returns how many bytes of cache a daemon keeps.
func cacheSize(t *testing.T, lease *daemon.Lease) int64 {
	t.Helper()
	c, err := bk.New(t.Context(), lease.Endpoint())
	must(t, err)
	defer c.Close()
	workers, err := c.ListWorkers(t.Context())
	must(t, err)
	last := workers[0].GCPolicy[len(workers[0].GCPolicy)-1]
	if last.ReservedSpace > last.MaxUsedSpace {
		t.Errorf("it keeps %d bytes at least and %d at most", last.ReservedSpace, last.MaxUsedSpace)
	}
	return last.MaxUsedSpace
}

// The size is that of the client that starts the daemon. Another size needs neither another daemon nor another cache.
func TestSizeOfTheCache(t *testing.T) {
	dir := newDaemonFolder(t)
	t.Setenv("PULUMI_BUILDKIT_DAEMON_SIZE", "3GiB")
	first, _ := acquire(t, daemon.Options{Dir: dir, Idle: 100 * time.Millisecond})
	if size := cacheSize(t, first); size != 3<<30 {
		t.Errorf("it keeps %d bytes", size)
	}
	t.Setenv("PULUMI_BUILDKIT_DAEMON_SIZE", "2GB")
	second, lines := acquire(t, daemon.Options{Dir: dir, Idle: 100 * time.Millisecond})
	if second.Endpoint() != first.Endpoint() || lines != nil {
		t.Errorf("another size has another daemon: %s, %q", second.Endpoint(), lines)
	}
	must(t, first.Release(), second.Release())
	wantGone(t, dir)
	third, _ := acquire(t, daemon.Options{Dir: dir, Idle: time.Second})
	if size := cacheSize(t, third); size != 2e9 || third.Endpoint() != first.Endpoint() {
		t.Errorf("it keeps %d bytes, %s", size, third.Endpoint())
	}
}
