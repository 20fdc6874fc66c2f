package buildkit

import "testing"

// Each kind of cache exporter has its own name for its step (cache/remotecache/*). An inline cache has no step: the
// exporter of the image writes it.
func TestNewCacheError(t *testing.T) {
	t.Parallel()
	for step, isExport := range map[string]bool{
		"exporting cache to registry":                true,
		"exporting cache to client directory":        true,
		"exporting cache to Amazon S3":               true,
		"exporting cache to Azure Blob Storage":      true,
		"exporting to GitHub Actions Cache":          true,
		"importing cache manifest from ghcr.io/a:b":  false,
		"importing cache manifest from gha:123":      false,
		"importing cache manifest from s3:9876543":   false,
		"importing cache manifest from local:938475": false,
	} {
		failure := newCacheError(step, "no")
		if failure == nil || failure.Export != isExport || failure.Error() != step+": no" {
			t.Errorf("%s: got %+v", step, failure)
		}
	}
	for _, step := range []string{
		"exporting to image", "exporting to client directory", "exporting to client tarball",
		"exporting to oci image format", "[1/2] RUN exporting cache to registry",
	} {
		if failure := newCacheError(step, "no"); failure != nil {
			t.Errorf("%s: got %+v", step, failure)
		}
	}
}
