package registry_test

import (
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

func TestVerifyInvalidDigests(t *testing.T) {
	t.Parallel()
	for digest, want := range map[string]string{
		"latest": `verifying 127.0.0.1:1/app@latest: digest "latest" is not like ` +
			`sha256:<64 hex digits>: invalid checksum digest format`,
		"sha256:abc": `verifying 127.0.0.1:1/app@sha256:abc: digest "sha256:abc" is not like ` +
			`sha256:<64 hex digits>: invalid checksum digest length`,
	} {
		_, err := anonymousClient(t).Verify(t.Context(), "127.0.0.1:1/app", digest, registry.Expected{})
		if err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
	_, err := anonymousClient(t).Verify(t.Context(), "app", "sha256:"+strings.Repeat("0", 64), registry.Expected{})
	if err == nil || !strings.HasSuffix(err.Error(), `repository "app" has no host`) {
		t.Error(err)
	}
}

// TestInvalidPlatformIsUnknown holds that the platform of an index, which goes into the state, is unknown where it is
// not the name of one.
func TestInvalidPlatformIsUnknown(t *testing.T) {
	t.Parallel()
	for _, os := range []string{"<{%x%}>", "lin\x1b[2Jux", "linux\u202e", strings.Repeat("x", 100)} {
		r := registrytest.New(t)
		digest := r.Push(t, "app", mutate.AppendManifests(empty.Index, mutate.IndexAddendum{
			Add:        registrytest.Image(t, "linux/amd64"),
			Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: os, Architecture: "amd64"}},
		}))
		image, err := anonymousClient(t).Inspect(t.Context(), r.Host()+"/app", digest)
		if err != nil || len(image.Manifests) != 1 || image.Manifests[0].Platform != "unknown" {
			t.Errorf("%q: %+v, %v", os, image.Manifests, err)
		}
	}
}
