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
	found     []string // references with {hash} that somebody else has pushed: theirs to delete
}

// alreadyThere is the image made of these very inputs that every repository still has, whole; the zero reuse when there is
// none. What is not to be pushed need not be anywhere. What cannot be determined is an error: a build could give another
// digest than the one that the preview has shown.
func alreadyThere(ctx context.Context, client *registry.Client, op operation, repositories []string) (reuse, error) {
	if !op.makesImage {
		return reuse{ok: op.isBuilt()}, nil
	}
	there, err := op.candidate(ctx, client)
	if err != nil || there.digest == "" {
		return reuse{}, err
	}
	there.manifests, err = verify(ctx, client, there.digest, repositories, op.args)
	switch {
	case errors.Is(err, fault.ErrMismatch):
		loggerOf(ctx).warningf("an image that was there is built again, for it is not what is asked for: %v", err)
		return reuse{}, nil
	case errors.Is(err, fault.ErrNotFound):
		return reuse{}, nil
	case err != nil:
		return reuse{}, err
	}
	there.ok = true
	return there, nil
}

// candidate is the image that was applied, else the one behind a tag with the inputs hash, else one that is remembered.
func (op operation) candidate(ctx context.Context, client *registry.Client) (reuse, error) {
	if !op.hasImage() && !op.args.hasOtherExports() {
		if tagged, err := hashTagged(ctx, client, op); err != nil || tagged.digest != "" {
			return tagged, err
		}
	}
	return reuse{digest: op.knownDigest()}, nil
}

// hashTagged returns the image behind a tag with the whole inputs hash. Another machine may have pushed it: whoever may push to
// the repository is trusted to have built it of these inputs.
func hashTagged(ctx context.Context, client *registry.Client, op operation) (there reuse, err error) {
	for _, tag := range op.hashTags() {
		digest, err := client.Find(ctx, tag)
		switch {
		case errors.Is(err, fault.ErrNotFound), errors.Is(err, fault.ErrMismatch), err == nil && there.digest != "" && digest != there.digest:
			continue
		case err != nil:
			return reuse{}, err
		}
		there.digest = digest
		if !slices.Contains(op.old.refs, tag.String()) {
			there.found = append(there.found, tag.String())
		}
	}
	return there, nil
}

// knownDigest is the image that was made of these very inputs: the one that is applied now, or one that is remembered. The
// first also knows what memory does not, images under a contextHash that was given by hand.
func (op operation) knownDigest() string {
	if op.hasImage() {
		return op.old.digest
	}
	if op.args.hasOtherExports() { // what is to be left beside the image only a build leaves
		return ""
	}
	return op.old.digestFor(inputsHash(op.args))
}

// hasImage tells whether the image that is applied was made of these very inputs.
func (op operation) hasImage() bool { return op.old.digest != "" && op.unchanged() }

// isBuilt tells, where nobody gets an image, whether a build of these very inputs has done what it is to do.
func (op operation) isBuilt() bool {
	return op.unchanged() || !op.args.hasOtherExports() && op.old.hasBuilt(inputsHash(op.args))
}

// foundKey holds, in the outputs, the references that are somebody else's. Like memoryKey it is seen by no diff and no SDK.
const foundKey = "__found"

// othersAmong are the references that were somebody else's before, as far as they are still used, and those found now.
func (a applied) othersAmong(refs []string, before []string) []string {
	return slices.DeleteFunc(slices.Clone(refs), func(ref string) bool { return !slices.Contains(before, ref) && !slices.Contains(a.found, ref) })
}
