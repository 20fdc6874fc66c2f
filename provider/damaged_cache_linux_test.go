package provider

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon/daemontest"
)

// Files of the embedded daemon's cache are lost while it runs. The build gets a new cache, and one warning says why.
func TestBuildOnADamagedCache(t *testing.T) {
	daemontest.SkipWithoutDaemon(t)
	dir := filepath.Join(t.TempDir(), "d")
	t.Setenv("PULUMI_BUILDKIT_DAEMON_DIR", dir)
	t.Setenv("PULUMI_BUILDKIT_DAEMON_IDLE", "5s")
	f := newEmbeddedProvider(t)
	tag := f.Host() + "/app:1"
	if _, err := f.apply(t, "FROM scratch\nCOPY <<EOF /b\nEOF", tag); err != nil {
		t.Fatal(err)
	}
	snapshots, err := filepath.Glob(dir + "/root/runc-overlayfs/snapshots/snapshots/*")
	for _, snapshot := range snapshots {
		err = errors.Join(err, os.RemoveAll(snapshot))
	}
	if err != nil || len(snapshots) == 0 {
		t.Fatal(snapshots, err)
	}
	if _, err := f.apply(t, "FROM scratch\nCOPY <<EOF /c\nEOF", tag); err != nil {
		t.Errorf("the build failed: %v\n%s", err, f.logText())
	}
	if said := f.logText(); strings.Count(said, "is missing), so the embedded BuildKit daemon began a new one") != 1 {
		t.Errorf("no warning:\n%s", said)
	}
}
