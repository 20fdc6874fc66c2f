package provider

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon/daemontest"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// An update that builds an image only to compare it with an immutable tag keeps no lease: the embedded daemon stops.
func TestAnImmutableTagKeepsNoLease(t *testing.T) {
	daemontest.SkipWithoutDaemon(t)
	dir := filepath.Join(t.TempDir(), "d")
	t.Setenv("PULUMI_BUILDKIT_DAEMON_DIR", dir)
	t.Setenv("PULUMI_BUILDKIT_DAEMON_IDLE", "100ms")
	f := newEmbeddedProvider(t)
	f.Repository("fixed", registrytest.Immutable)
	tag := f.Host() + "/fixed:1"
	if _, err := f.apply(t, "FROM scratch\nCOPY <<EOF /b\nEOF", tag); err != nil {
		t.Fatal(err)
	}
	if _, err := f.apply(t, "FROM scratch\nCOPY <<EOF /c\nEOF", tag); err == nil {
		t.Error("an immutable tag moved")
	}
	hasStopped := func() bool {
		_, err := os.Stat(filepath.Join(dir, "buildkitd.sock"))
		return os.IsNotExist(err)
	}
	if err := stack.WaitUntil(t.Context(), 30*time.Second, hasStopped); err != nil {
		t.Error("the daemon still runs: a lease is left")
	}
}
