package registry

import (
	"context"
	"fmt"
	"strings"

	"github.com/containerd/platforms"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// layers returns the layers of an image that a registry stores, each once. It leaves out those that other servers have.
func (s *session) layers(ctx context.Context, root, platform string) ([]ocispec.Descriptor, error) {
	want, err := parseDigest(root)
	if err != nil {
		return nil, err
	}
	d, err := s.seenOrFetch(ctx, want)
	if err == nil && d.isIndex() {
		var entry ocispec.Descriptor
		if entry, err = entryFor(d, platform); err == nil {
			d, err = s.fetchEntry(ctx, entry)
		}
	}
	if err != nil {
		return nil, err
	}
	if !d.isImage() {
		return nil, newNotAnImage(d)
	}
	var layers []ocispec.Descriptor
	seen := map[digest.Digest]bool{}
	for _, layer := range d.content.Layers {
		kind := layer.MediaType
		isForeign := strings.Contains(kind, "foreign") || strings.Contains(kind, "nondistributable")
		if _, err := parseDigest(layer.Digest.String()); err != nil || isForeign || seen[layer.Digest] {
			continue
		}
		seen[layer.Digest] = true
		layers = append(layers, layer)
	}
	return layers, nil
}

// entryFor returns the entry of an index that an engine takes for a platform. It returns ErrNotFound if there is none.
func entryFor(d document, platform string) (ocispec.Descriptor, error) {
	wanted, err := platforms.Parse(platform)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	matcher, best := platforms.Only(wanted), -1
	for i, entry := range d.content.Manifests {
		if entry.Platform == nil || !matcher.Match(*entry.Platform) {
			continue
		}
		if best < 0 || matcher.Less(*entry.Platform, *d.content.Manifests[best].Platform) {
			best = i
		}
	}
	if best < 0 {
		return ocispec.Descriptor{}, fmt.Errorf("%w: it has no image for %s", fault.ErrNotFound, platform)
	}
	return d.content.Manifests[best], nil
}
