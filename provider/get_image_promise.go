package provider

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// describePromise describes, in a preview, an image that the update will push and no registry has yet. Its digest is
// known. The rest is that of the image in the state, or empty if there is none. It returns absent, the registry's
// answer, if the update pushes no such image, and an error if the digest is not known before the update.
//
// The engine takes no unknown results of functions. The SDKs do not even call for an image that the update creates,
// because its ID is unknown in the preview. YAML does.
func (f getImageFunction) describePromise(
	ctx context.Context, client *registry.Client, ref registry.Reference, absent error,
) (registry.Description, error) {
	made, ok := f.promiseOf(ref)
	switch {
	case !ok && !errors.Is(absent, fault.ErrNotFound):
		return registry.Description{}, absent
	case !ok:
		return registry.Description{}, &remediedError{error: absent, remedy: "correct its name, or push it first"}
	case made.Digest == "":
		return registry.Description{}, &remediedError{
			error: fmt.Errorf("the update of %s will push %s: its digest is not known in this preview",
				made.resourceName(), ref),
			remedy: "use the outputs of that image, or run the update with --skip-preview",
		}
	}
	found, rest := describePast(ctx, client, ref, made.Past)
	loggerOf(ctx).infof("the update will push %s: until then, all but the digest is %s", ref, rest)
	found.Digest = made.Digest
	for _, platform := range made.Platforms {
		isThis := func(i registry.PlatformImage) bool { return i.Platform == platform }
		if !slices.ContainsFunc(found.Platforms, isThis) {
			found.Platforms = append(found.Platforms, registry.PlatformImage{
				Manifest: registry.Manifest{Platform: platform},
			})
		}
	}
	return found, nil
}

// promiseOf returns the promise to push what a reference names: an image with its digest, or with its tag.
func (f getImageFunction) promiseOf(ref registry.Reference) (promise, bool) {
	all := f.notes.promisesFor("")
	if ref.Digest == "" {
		return all.byTag(ref.Tag.String())
	}
	return all.byDigest(ref.Repository(), ref.Digest)
}

// describePast describes the image in the state, and says for people whose description that is. It returns an empty one
// if there is none in the repository of the reference. It warns if the registry does not tell.
func describePast(
	ctx context.Context, client *registry.Client, ref registry.Reference, past string,
) (found registry.Description, whose string) {
	before, err := registry.ParseReference(past)
	if err != nil || before.Repository() != ref.Repository() {
		return registry.Description{}, "empty"
	}
	found, err = client.Describe(ctx, before)
	if err == nil {
		return found, "that of " + before.String()
	}
	if !errors.Is(err, fault.ErrNotFound) {
		loggerOf(ctx).warnf("getImage: the image before %s cannot be read: %v", ref, err)
	}
	return registry.Description{}, "empty"
}
