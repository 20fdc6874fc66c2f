package buildkit

import (
	"context"

	"github.com/containerd/errdefs"
	"github.com/moby/buildkit/client"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// Built is the result of a solve.
type Built struct {
	// Digest is that of the index, or of the manifest if there is one platform: "sha256:…". It is "" if the plan makes
	// no image.
	Digest string

	// Manifest is the descriptor of the image in an index of several platforms. It is zero unless the plan has one
	// platform and makes no index. See PlanFor.
	Manifest ocispecs.Descriptor

	// Unpushed is the image for Access.UnpushedBases; nil unless Access.KeepUnpushed asks for it. It is nil too if the
	// daemon did not tell.
	Unpushed *UnpushedImage
	// Dropped is set if Unpushed is nil because the daemon had dropped a manifest or configuration before it was read.
	// Another solve of the same build may be quicker.
	Dropped bool

	Timing Timing
}

// newBuilt adds to the result of a solve the image that access asks for.
func (s *solve) newBuilt(ctx context.Context, c *client.Client, built Built, access Access) Built {
	if built.Digest == "" || !access.KeepUnpushed {
		return built
	}
	image, err := readUnpushedImage(ctx, c, built.Digest)
	if err != nil {
		built.Dropped = errdefs.IsNotFound(err)
		s.log.DebugContext(ctx, "image not kept for dependent images", "digest", built.Digest, "reason", errorLine(err))
		return built
	}
	built.Unpushed = image
	return built
}
