package provider

import (
	"context"
	"errors"
	"slices"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// reuse is an image that need not be built.
type reuse struct {
	ok        bool   // nothing is to be built
	digest    string // "" when nobody gets the image
	manifests []registry.Manifest
	others    []string // references with {hash} that somebody else has pushed: theirs to delete
}

// findImage returns the image of the same inputs if every repository still serves it whole, and else an empty reuse. An
// image that is not pushed need not be anywhere.
//
// It returns an error if a registry cannot be asked: a build could give another digest than the preview has shown.
func findImage(ctx context.Context, op operation) (reuse, error) {
	if !op.makesImage {
		return reuse{ok: op.isBuilt()}, nil
	}
	log := newDebugLog(ctx)
	there, err := findCandidate(ctx, op)
	if err != nil || there.digest == "" {
		if err == nil {
			log.Debug("no image to reuse", "reason", "no build of these inputs is known", "inputsHash", op.hash)
		}
		return reuse{}, err
	}
	there.manifests, err = verifyImage(ctx, op, there.digest)
	switch {
	case errors.Is(err, fault.ErrMismatch):
		loggerOf(ctx).warnf("an image that was there is built again, for it is not what is asked for: %v", err)
		return reuse{}, nil
	case errors.Is(err, fault.ErrNotFound):
		log.Debug("no image to reuse", "reason", "a repository lacks it", "digest", there.digest)
		return reuse{}, nil
	case err != nil:
		return reuse{}, err
	}
	log.Debug("image reused", "digest", there.digest, "inputsHash", op.hash)
	there.ok = true
	return there, nil
}

// findCandidate returns the applied image, else the one behind a tag with {hash}, else one that the state remembers.
func findCandidate(ctx context.Context, op operation) (reuse, error) {
	if !op.hasImage() && !hasOtherExports(op.exports) && !op.secretsChanged {
		if tagged, err := findByHash(ctx, op); err != nil || tagged.digest != "" {
			return tagged, err
		}
	}
	return reuse{digest: op.pastDigest()}, nil
}

// findByHash returns the image behind a tag with the whole inputs hash. Another machine may have pushed it: everybody
// who may push to the repository is trusted to have built it of the same inputs.
func findByHash(ctx context.Context, op operation) (there reuse, err error) {
	for _, tag := range op.tags.withHash {
		digest, err := op.client.Find(ctx, tag)
		isOther := err == nil && there.digest != "" && digest != there.digest
		switch {
		case isOther, errors.Is(err, fault.ErrNotFound), errors.Is(err, fault.ErrMismatch):
			continue
		case err != nil:
			return reuse{}, err
		}
		there.digest = digest
		if !slices.Contains(op.old.refs, tag.String()) {
			there.others = append(there.others, tag.String())
		}
	}
	return there, nil
}
