package provider

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon/daemontest"
)

// damagedCaches are the images that are built on a damaged cache. In the last one, two parts share a lease.
var damagedCaches = map[string]struct {
	platforms []string
	builders  func(t *testing.T) string
}{
	"one platform": {
		platforms: []string{"linux/amd64"},
		builders:  func(*testing.T) string { return `"host": "local://"` },
	},
	"two platforms": {
		platforms: []string{"linux/amd64", "linux/arm64"},
		builders:  func(*testing.T) string { return `"host": "local://"` },
	},
	"two platforms of three": {
		platforms: []string{"linux/amd64", "linux/arm64", "linux/s390x"},
		builders: func(t *testing.T) string {
			return `"builders": [{"endpoint": "local://", "platforms": ["linux/amd64", "linux/arm64"]},
				{"endpoint": "` + machines[0].Endpoint(t) + `", "platforms": ["linux/s390x"]}]`
		},
	},
}

// Files of the embedded daemon's cache are lost while it runs. The build gets a new cache, and one warning says why.
func TestBuildOnADamagedCache(t *testing.T) {
	daemontest.SkipWithoutDaemon(t)
	for name, c := range damagedCaches {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "d")
			t.Setenv("PULUMI_BUILDKIT_DAEMON_DIR", dir)
			t.Setenv("PULUMI_BUILDKIT_DAEMON_IDLE", "5s")
			f := newEmbeddedProviderWith(t, &settings{}, c.builders(t))
			tag := f.Host() + "/app:1"
			if _, err := f.applyFor(t, c.platforms, t.TempDir(), "FROM scratch\nCOPY <<EOF /b\nEOF", tag); err != nil {
				t.Fatal(err)
			}
			snapshots, err := filepath.Glob(dir + "/root/runc-overlayfs/snapshots/snapshots/*")
			for _, snapshot := range snapshots {
				err = errors.Join(err, os.RemoveAll(snapshot))
			}
			if err != nil || len(snapshots) == 0 {
				t.Fatal(snapshots, err)
			}
			out, err := f.applyFor(t, c.platforms, t.TempDir(), "FROM scratch\nCOPY <<EOF /c\nEOF", tag)
			if err != nil || f.Tags("app")["1"] != text(out, "digest") {
				t.Errorf("the build failed: %v\n%s", err, f.logText())
			}
			const said = "is missing), so the embedded BuildKit daemon began a new one"
			if strings.Count(f.logText(), said) != 1 {
				t.Errorf("no warning:\n%s", f.logText())
			}
		})
	}
}
