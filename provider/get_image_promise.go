package provider

import (
	"context"
	"slices"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
)

// describePromise describes, in a preview, an image that the update will push and no registry has yet. Its digest is
// known. The rest is that of the image in the state, or empty if there is none. It returns notFound with a remedy if
// the update pushes no such image.
//
// The engine takes no unknown results of functions. The SDKs do not even call for an image that the update creates,
// because its ID is unknown in the preview. YAML does.
func (f getImageFunction) describePromise(
	ctx context.Context, client *registry.Client, ref registry.Reference, notFound error,
) (registry.Description, error) {
	made, ok := f.notes.promisesFor("").byDigest(ref.Repository(), ref.Digest)
	if !ok {
		return registry.Description{}, &remediedError{error: notFound, remedy: "correct its name, or push it first"}
	}
	rest := "empty"
	var found registry.Description
	past, err := registry.ParseReference(made.Past)
	if err == nil {
		found, err = client.Describe(ctx, past)
	}
	if err == nil {
		rest = "that of " + past.String()
	} else {
		found = registry.Description{}
	}
	loggerOf(ctx).infof("the update will push %s: until then, all but the digest is %s", ref, rest)
	found.Digest = ref.Digest
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
