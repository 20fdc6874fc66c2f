package buildkit

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/content/proxy"
	"github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// sourceLabel begins the label with which a daemon notes to which repositories of a host it has pushed a layer.
const sourceLabel = "containerd.io/distribution.source."

// LayersOfMount returns the layers of an image that the daemon has, if it would have the registry of a repository,
// host/path, mount one of them from where it has pushed it before. Another push may make it mount the others as well.
func LayersOfMount(
	ctx context.Context, c *client.Client, image *UnpushedImage, repository string,
) ([]ocispecs.Descriptor, error) {
	ctx, stop := context.WithTimeoutCause(ctx, unpushedTimeout, fmt.Errorf("no answer within %s", unpushedTimeout))
	defer stop()
	at, err := url.Parse("dummy://" + repository)
	if err != nil {
		return nil, err
	}
	label, own := sourceLabel+at.Hostname(), strings.TrimPrefix(at.Path, "/")
	store := proxy.NewContentStore(c.ContentClient())
	var found []ocispecs.Descriptor
	mounts := false
	for _, layer := range image.layers() {
		info, err := store.Info(ctx, layer.Digest)
		if err != nil {
			continue // it has not pulled the layer
		}
		layer.Size = info.Size
		found = append(found, layer)
		mounts = mounts || info.Labels[label] != "" && info.Labels[label] != own
	}
	if !mounts {
		return nil, nil
	}
	return found, nil
}

// layers returns the layers of the image, each once.
func (u *UnpushedImage) layers() (layers []ocispecs.Descriptor) {
	seen := map[digest.Digest]bool{}
	for _, text := range u.documents {
		var manifest ocispecs.Manifest
		if json.Unmarshal(text, &manifest) != nil {
			continue
		}
		for _, layer := range manifest.Layers {
			if layer.Digest.Validate() == nil && !seen[layer.Digest] {
				seen[layer.Digest] = true
				layers = append(layers, layer)
			}
		}
	}
	return layers
}

// OpenLayer begins to read a layer that the daemon has.
func OpenLayer(ctx context.Context, c *client.Client, layer ocispecs.Descriptor) (io.ReadCloser, error) {
	at, err := proxy.NewContentStore(c.ContentClient()).ReaderAt(ctx, layer)
	if err != nil {
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{content.NewReader(at), at}, nil
}
