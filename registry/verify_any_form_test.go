package registry_test

import (
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// TestVerifyAnImageOfAnotherTool takes an image of one platform in the forms that other tools push it in.
func TestVerifyAnImageOfAnotherTool(t *testing.T) {
	t.Parallel()
	server := registrytest.New(t)
	client, repository := anonymousClient(t), server.Host()+"/app"
	pushed := map[string]string{
		"a manifest":            server.Push(t, "app", registrytest.Image(t, "linux/amd64")),
		"an index":              server.Push(t, "app", registrytest.Index(t, "linux/amd64")),
		"an index, attested":    server.Push(t, "app", registrytest.Index(t, "linux/amd64", "unknown/unknown")),
		"of two platforms":      server.Push(t, "app", registrytest.Index(t, "linux/amd64", "linux/arm64")),
		"of the other platform": server.Push(t, "app", registrytest.Index(t, "linux/arm64")),
	}
	refused := map[string]bool{"of two platforms": true, "of the other platform": true}
	want := registry.Expected{Platforms: []string{"linux/amd64"}, AnyForm: true}
	for name, digest := range pushed {
		image, err := client.Verify(t.Context(), repository, digest, want)
		if (err != nil) != refused[name] {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil && (len(image.Manifests) != 1 || image.Manifests[0].Platform != "linux/amd64") {
			t.Errorf("%s: manifests %+v", name, image.Manifests)
		}
	}
	ours := expectedPlatforms("linux/amd64")
	if _, err := client.Verify(t.Context(), repository, pushed["an index, attested"], ours); err == nil {
		t.Error("an image of ours with attestations that nobody asked for is accepted")
	}
}
