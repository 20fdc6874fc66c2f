package registry_test

import (
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
)

// The type of an index follows from the types of its manifests.
func TestJoin(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		mediaType   string
		annotations map[string]string
		want        string
	}{
		"OCI":            {ocispec.MediaTypeImageManifest, nil, ocispec.MediaTypeImageIndex},
		"OCI, annotated": {ocispec.MediaTypeImageManifest, map[string]string{"a": "b"}, ocispec.MediaTypeImageIndex},
		"Docker": {"application/vnd.docker.distribution.manifest.v2+json", nil,
			"application/vnd.docker.distribution.manifest.list.v2+json"},
	} {
		manifest := `{"schemaVersion":2,"mediaType":"` + c.mediaType + `"}`
		index, err := registry.Join([]ocispec.Descriptor{{
			MediaType: c.mediaType, Digest: digest.FromString(manifest), Size: int64(len(manifest)),
			Platform: &ocispec.Platform{OS: "linux", Architecture: "arm", Variant: "v7"},
		}}, c.annotations)
		if err != nil || index.MediaType != c.want || !strings.HasPrefix(index.Digest, "sha256:") {
			t.Errorf("%s: got %+v, %v", name, index.Image, err)
		}
	}
}
