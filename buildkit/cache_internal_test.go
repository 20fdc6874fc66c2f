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
