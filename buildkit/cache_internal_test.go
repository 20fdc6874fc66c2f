package buildkit

import (
	"strings"
	"testing"
)

// Each kind of cache exporter has its own name for its step (cache/remotecache/*). An inline cache has no step: the
// exporter of the image writes it.
func TestStepsThatWriteACache(t *testing.T) {
	t.Parallel()
	for step, want := range map[string]string{
		"exporting cache to registry":           "registry",
		"exporting cache to client directory":   "local",
		"exporting cache to Amazon S3":          "s3",
		"exporting cache to Azure Blob Storage": "azblob",
		"exporting to GitHub Actions Cache":     "gha",
	} {
		kind, _ := cutCacheExport(step)
		if !parseStep(step).WritesCache() || cacheKinds[kind] != want {
			t.Errorf("%s: got %+v, %q", step, parseStep(step), cacheKinds[kind])
		}
	}
	for _, step := range []string{
		"exporting to image", "exporting to client directory", "exporting to client tarball",
		"exporting to oci image format", "[1/2] RUN exporting cache to registry",
		"importing cache manifest from ghcr.io/a:b",
	} {
		if parseStep(step).WritesCache() || newCacheError(step, "no") != nil == !strings.HasPrefix(step, "importing") {
			t.Errorf("%s: got %+v, %v", step, parseStep(step), newCacheError(step, "no"))
		}
	}
}

// After a daemon was lost, or a build was canceled, no further cache is tried. Any other error leaves the caches that
// the solve did not write.
func TestCachesAfterALostDaemon(t *testing.T) {
	t.Parallel()
	for cause, want := range map[error]int{
		&StoppedError{Cause: &LostDaemonError{}}: 0,
		&StalledCacheError{}:                     1,
		&CacheSetupError{Type: "gha"}:            2,
	} {
		tracker := &cacheTracker{}
		for _, kind := range []string{"gha", "registry", "local"} {
			one := &trackedCache{CacheExport: CacheExport{Cache: Cache{Type: kind}}}
			tracker.all = append(tracker.all, one)
		}
		tracker.begin()
		tracker.finish(cause)
		if left := tracker.openCaches(); len(left) != want {
			t.Errorf("%T: %d caches are left, want %d", cause, len(left), want)
		}
	}
}
