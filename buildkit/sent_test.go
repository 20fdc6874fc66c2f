package buildkit_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/moby/buildkit/client"
)

// waitForRelease waits until the daemon has released the trees of earlier builds, which it does after their end. While
// it holds a tree, a new transfer sends everything.
func (b *testBuilder) waitForRelease(t testing.TB) {
	t.Helper()
	ctx, stop := context.WithTimeoutCause(t.Context(), caseLimit, errors.New("the daemon does not come to rest"))
	defer stop()
	for tick := time.NewTicker(20 * time.Millisecond); ; {
		usage, err := b.c.DiskUsage(ctx)
		if err != nil {
			t.Fatal(context.Cause(ctx), err)
		}
		if !slices.ContainsFunc(usage, func(u *client.UsageInfo) bool { return u.InUse }) {
			tick.Stop()
			return
		}
		<-tick.C
	}
}

// Each build sends only the file that has changed, not the other hundreds.
func TestOnlyTheChangedFileIsSent(t *testing.T) {
	t.Parallel()
	b, dir := newTestBuilderOn(t, &quiet), t.TempDir()
	const files, size, big = 500, 1 << 10, 1 << 20
	noise := rand.NewChaCha8([32]byte{1})
	content := func(n int) string {
		data := make([]byte, n)
		_, _ = noise.Read(data)
		return string(data)
	}
	all := map[string]string{"big": content(big)}
	for i := range files {
		all[filepath.Join("d"+strconv.Itoa(i%20), strconv.Itoa(i))] = content(size)
	}
	writeAlike(t, dir, all)
	plan := inlinePlan(dir, "FROM scratch\nCOPY . /x/")
	sent := func(want map[string]string) int64 {
		b.waitForRelease(t)
		before := b.written.Load()
		b.wantContent(t, plan, want)
		return b.written.Load() - before // what the test itself reads back comes from the registry
	}
	if n := sent(nil); n < files*size+big {
		t.Errorf("first: %d bytes sent, want at least %d", n, files*size+big)
	}
	stats := sent(nil)
	if stats > 1<<20 {
		t.Errorf("unchanged: %d bytes sent: more than names and times", stats)
	}
	for range 3 {
		changed := content(big)
		writeAlike(t, dir, map[string]string{"big": changed})
		if n := sent(map[string]string{"x/big": changed}); n < big || n > big+stats+100<<10 {
			t.Errorf("one file of %d bytes changed: %d bytes sent, %d of them names and times", big, n, stats)
		}
	}
	writeAlike(t, dir, map[string]string{"new/f": "new"})
	if n := sent(map[string]string{"x/new/f": "new"}); n > stats+100<<10 {
		t.Errorf("a new folder: %d bytes sent, %d of them names and times", n, stats)
	}
}
