package registrytest

import (
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Image returns a new image for a platform such as "linux/arm64", with two layers of 1 KiB of noise. It cannot run.
func Image(t testing.TB, platform string) v1.Image {
	t.Helper()
	return newImage(t, platform, 1<<10, 2)
}

// LargeImage returns an image as Image does, with one layer of so many bytes of noise.
func LargeImage(t testing.TB, platform string, bytes int64) v1.Image {
	t.Helper()
	return newImage(t, platform, bytes, 1)
}

func newImage(t testing.TB, platform string, bytes, layers int64) v1.Image {
	t.Helper()
	image, err := random.Image(bytes, layers)
	if err != nil {
		t.Fatal(err)
	}
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	p := parsePlatform(t, platform)
	config.OS, config.Architecture, config.Variant = p.OS, p.Architecture, p.Variant
	image, err = mutate.ConfigFile(mutate.MediaType(image, types.OCIManifestSchema1), config)
	if err != nil {
		t.Fatal(err)
	}
	return image
}

// Index returns a new index with an Image for each platform. "unknown/unknown" makes an attestation.
func Index(t testing.TB, platforms ...string) v1.ImageIndex {
	t.Helper()
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, platform := range platforms {
		p := parsePlatform(t, platform)
		addendum := mutate.IndexAddendum{Add: Image(t, platform), Descriptor: v1.Descriptor{Platform: &p}}
		if p.OS == "unknown" {
			addendum.Annotations = map[string]string{"vnd.docker.reference.type": "attestation-manifest"}
		}
		index = mutate.AppendManifests(index, addendum)
	}
	return index
}

// parsePlatform reads a platform such as "linux/arm64".
func parsePlatform(t testing.TB, s string) v1.Platform {
	t.Helper()
	p, err := v1.ParsePlatform(s)
	if err != nil {
		t.Fatal(err)
	}
	return *p
}
