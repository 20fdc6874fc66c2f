package provider

import (
	"context"
	"errors"
	"fmt"
	"slices"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
	"golang.org/x/sync/errgroup"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// fillSourceDigests sets sourceDigests to the current digest of each source with a tag, where the program gives none.
// It sets an unknown value if they cannot be known yet.
//
// A source that cannot be looked up gets no entry, so the update asks again. But if the program asks for the same index
// as before, the source keeps its digest: the index is complete without that tag, which somebody may have cleaned up.
func fillSourceDigests(
	ctx context.Context, settings *settings, c *indexChecker, old property.Map, res *p.CheckResponse,
) error {
	if isKnown(c.raw, "push") && !pushesIndex(c.raw) || len(c.failures) > 0 {
		return nil
	}
	if !isKnown(c.raw, "sources", "sourceDigests") {
		res.Inputs = res.Inputs.Set("sourceDigests", unknownValue())
		return nil
	}
	bounded, stop := withinLimit(ctx, previewLimit)
	defer stop()
	w := newStage(bounded, "looking up the digests of the sources")
	client := settings.registryClient(ctx, w, settings.keychain(ctx, w, c.index.registries()), previewLimit)
	digests := map[string]property.Value{}
	for source, found := range lookUpSources(bounded, client, c.index, c.promised) {
		switch {
		case ctx.Err() != nil:
			return w.explain(context.Cause(ctx), "")
		case found.err == nil && found.digest == "", isRefused(found.err) && !isKnown(c.raw, "registry"):
			digests[source] = unknownValue()
		case found.err == nil:
			digests[source] = property.New(found.digest)
		default:
			kept := keptDigest(old, c.raw, source)
			if !kept.IsNull() {
				digests[source] = kept
			}
			c.warn("%s: whether the image behind it changed is not known: %v", foundPath(c.index, source),
				explainLostSource(w.explain(found.err, ""), !kept.IsNull()))
		}
	}
	if len(digests) > 0 {
		res.Inputs = res.Inputs.Set("sourceDigests", property.New(digests))
	}
	return nil
}

// keptDigest returns the digest that the old inputs have for a source, if the program asks for the same index as
// before. Otherwise it returns null. A refresh may have taken the tag out of the old inputs.
func keptDigest(old, inputs property.Map, source string) property.Value {
	digests := old.Get("sourceDigests")
	if !digests.IsMap() || digests.HasComputed() {
		return property.Value{}
	}
	for _, in := range indexInputs {
		lostTag := in.name == "tag" && old.Get("tag").IsNull()
		if in.equal != nil && in.name != "sourceDigests" && !lostTag && !in.equal(old, inputs, in.name) {
			return property.Value{}
		}
	}
	return digests.AsMap().Get(source)
}

// foundPath returns the property path of a source.
func foundPath(args IndexArgs, source string) string {
	return fmt.Sprintf("sources[%d]", slices.Index(args.Sources, source))
}

// lookup is what is known of a source with a tag. The digest is "" if the update makes that image first.
type lookup struct {
	digest string
	err    error
}

// lookUpSources returns what is known of each source with a tag, by the source as the program writes it. It asks the
// registries side by side for those that sourceDigests does not have.
func lookUpSources(
	ctx context.Context, client *registry.Client, args IndexArgs, promised promises,
) map[string]lookup {
	found := make([]lookup, len(args.Sources))
	var group errgroup.Group
	for i, source := range args.Sources {
		ref, err := registry.ParseReference(source)
		given, ok := args.SourceDigests[source]
		by, isPromised := promised.byTag(ref.Tag.String())
		switch {
		case err != nil, ok:
			found[i] = lookup{given, err}
		case ref.Digest != "":
		case isPromised:
			found[i].digest = by.Digest
		default:
			rescue.GoErrGroup(&group, func() error {
				found[i].err = rescue.Call(func() (err error) {
					found[i].digest, err = client.Resolve(ctx, ref.Tag)
					return err
				})
				return nil
			})
		}
	}
	_ = group.Wait()
	byName := map[string]lookup{}
	for i, source := range args.Sources {
		if ref, err := registry.ParseReference(source); err != nil || ref.Digest == "" {
			byName[source] = found[i]
		}
	}
	return byName
}

// explainLostSource adds to the error of a source what to do if it is not there. With isKept the index keeps the image
// that it has of the source.
func explainLostSource(err error, isKept bool) error {
	if !isKept || !errors.Is(err, fault.ErrNotFound) || len(remediesOf(err)) > 0 {
		return explainSource(err)
	}
	return &remediedError{error: err, remedy: "the index keeps the image that it has; push a new one there, or name " +
		"the image by its digest in sources"}
}

// explainSource adds to the error of a source what to do if it is not there.
func explainSource(err error) error {
	if !errors.Is(err, fault.ErrNotFound) || len(remediesOf(err)) > 0 {
		return err
	}
	return &remediedError{error: err, remedy: "correct its name, or let the index depend on what pushes it (dependsOn)"}
}
