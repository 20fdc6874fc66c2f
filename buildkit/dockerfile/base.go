package dockerfile

import (
	"context"
	"encoding/json"
	"errors"
	"sync/atomic"

	"github.com/moby/buildkit/client/llb/sourceresolver"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/pb"
	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
	"github.com/opencontainers/go-digest"
)

// What the bound assumes of a base image. Images of CUDA, which have the largest environments in use, have 3 KB of it.
const (
	baseBytes   = 8 << 10  // of its environment, working directory, user and shell
	baseEnv     = 128      // variables
	baseHistory = 512      // entries
	baseConfig  = 64 << 10 // bytes of the whole configuration
)

// base is what the bound assumes of a base image.
type base struct{ bytes, variables int64 }

// baseOf returns the most that a base image of a build may have, or what the stub of a dry run has. The weigher adds
// the environment of a stub, which is a few bytes for each name in the Dockerfile.
func baseOf(dry bool) base {
	if dry {
		return base{bytes: 128, variables: 16} // PATH and the frontend's own arguments
	}
	return base{bytes: baseBytes, variables: baseEnv}
}

// errUnordinary ends a run in this process. It never leaves the package.
var errUnordinary = errors.New("the base image adds more to the Dockerfile than was assumed")

// ordinaryBases is a gateway that refuses the configurations of base images that add more to a Dockerfile than the
// bound assumes.
type ordinaryBases struct {
	gateway.Client
	dry     bool // the gateway's own stubs are as the bound assumes
	refused atomic.Bool
}

// hasRefused tells whether such a configuration was seen.
func (o *ordinaryBases) hasRefused() bool { return o.refused.Load() }

// ResolveImageConfig passes on what the gateway says of an ordinary image.
func (o *ordinaryBases) ResolveImageConfig(
	ctx context.Context, ref string, opt sourceresolver.Opt,
) (string, digest.Digest, []byte, error) {
	resolved, sum, config, err := o.Client.ResolveImageConfig(ctx, ref, opt)
	if err == nil {
		err = o.check(config)
	}
	return resolved, sum, config, err
}

// ResolveSourceMetadata passes on what the gateway says of an ordinary image, and of everything else.
func (o *ordinaryBases) ResolveSourceMetadata(
	ctx context.Context, op *pb.SourceOp, opt sourceresolver.Opt,
) (*sourceresolver.MetaResponse, error) {
	meta, err := o.Client.ResolveSourceMetadata(ctx, op, opt)
	if err == nil && meta != nil && meta.Image != nil {
		err = o.check(meta.Image.Config)
	}
	return meta, err
}

func (o *ordinaryBases) check(config []byte) error {
	if o.dry || isOrdinary(config) {
		return nil
	}
	o.refused.Store(true)
	return errUnordinary
}

// isOrdinary tells whether an image adds no more to a Dockerfile than the bound assumes. A configuration that cannot be
// read is ordinary: the frontend refuses it.
func isOrdinary(config []byte) bool {
	if len(config) > baseConfig {
		return false
	}
	var image dockerspec.DockerOCIImage
	if json.Unmarshal(config, &image) != nil {
		return true
	}
	bytes := len(image.Config.WorkingDir) + len(image.Config.User)
	for _, text := range image.Config.Env {
		bytes += len(text)
	}
	for _, text := range image.Config.Shell {
		bytes += len(text)
	}
	return bytes <= baseBytes && len(image.Config.Env) <= baseEnv &&
		len(image.History) <= baseHistory && len(image.Config.OnBuild) == 0
}
