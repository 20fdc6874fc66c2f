package registry

import (
	"context"
	"errors"

	"github.com/opencontainers/go-digest"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// Annotated is the manifest or index behind a tag, with what it says of itself.
type Annotated struct {
	Digest      string
	Size        int64 // of what a pull loads besides the manifest, in bytes; 0 for an index
	Layers      int   // 0 for an index
	Annotations map[string]string
}

// Annotations returns what is behind a tag. exists is false if the registry says that there is no such tag, or no such
// repository. Errors are those of Resolve, without the tag.
func (c *Client) Annotations(ctx context.Context, tag Tag) (found Annotated, exists bool, err error) {
	ctx, stop := c.withBudget(ctx)
	defer stop()
	s, err := c.session(ctx, tag.Repository(), pull)
	if err == nil {
		var d document
		if d, err = s.fetch(ctx, tag.label, digest.Canonical); err == nil {
			return Annotated{
				Digest: d.digest.String(), Size: d.size(), Layers: len(d.content.Layers),
				Annotations: d.content.Annotations,
			}, true, nil
		}
	}
	if errors.Is(err, fault.ErrNotFound) || errors.Is(err, fault.ErrNoRepository) {
		return Annotated{}, false, nil
	}
	return Annotated{}, false, err
}
