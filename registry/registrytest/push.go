package registrytest

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Image is a new image for a platform such as "linux/arm64", with two layers of 1 KiB of noise. It cannot run.
func Image(t testing.TB, platform string) v1.Image {
	t.Helper()
	image, err := random.Image(1<<10, 2)
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

// Index is a new index with an Image for each platform. "unknown/unknown" makes an attestation.
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

func parsePlatform(t testing.TB, s string) v1.Platform {
	t.Helper()
	p, err := v1.ParsePlatform(s)
	if err != nil {
		t.Fatal(err)
	}
	return *p
}

// Push uploads an image or an index and returns its digest. A name is "app:1", or "app" to push by digest only.
func (r *Registry) Push(t testing.TB, name string, content remote.Taggable) string {
	t.Helper()
	digest, err := r.push(t.Context(), name, content)
	if err != nil {
		t.Fatal(err)
	}
	return digest
}

func (r *Registry) push(ctx context.Context, repository string, content remote.Taggable) (string, error) {
	described, ok := content.(interface{ Digest() (v1.Hash, error) })
	if !ok {
		return "", fmt.Errorf("pushing %T: it is neither an image nor an index", content)
	}
	digest, err := described.Digest()
	if err != nil {
		return "", err
	}
	tag, err := name.NewTag(r.host+"/"+repository, name.WithDefaultTag(""))
	if err != nil {
		return "", err
	}
	var reference name.Reference = tag
	if tag.TagStr() == "" {
		reference = tag.Digest(digest.String())
	}
	return digest.String(), r.upload(ctx, reference, content)
}

func (r *Registry) upload(ctx context.Context, reference name.Reference, content remote.Taggable) error {
	pusher, err := remote.NewPusher(remote.WithAuth(r.authenticator()))
	if err != nil {
		return err
	}
	return pusher.Push(ctx, reference, content)
}

func (r *Registry) authenticator() authn.Authenticator {
	if r.login != nil {
		return r.login()
	}
	if r.config.username == "" {
		return authn.Anonymous
	}
	return &authn.Basic{Username: r.config.username, Password: r.config.password}
}
