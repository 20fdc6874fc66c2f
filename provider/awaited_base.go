package provider

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/distribution/reference"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
)

// awaitedBase is a base image of a build that another image of this update pushes. The registry does not have it yet,
// or still has another one under its tag.
type awaitedBase struct {
	ref    string // as inputs.BaseImages returns it
	by     promise
	images []unpushedImage // what the preview of the other image built, on each builder
}

// reason says why a preview cannot build on the base image, for people.
func (b awaitedBase) reason() string {
	return fmt.Sprintf("its base image %s is made by the image %s of this update", b.ref, b.by.resourceName())
}

// awaitedBases returns the base images of the build that the update of other images makes. sure is false if the base
// images are not known.
func awaitedBases(ctx context.Context, op operation, promised promises) (awaited []awaitedBase, sure bool) {
	if !slices.ContainsFunc(promised, func(p promise) bool { return len(p.Refs) > 0 }) {
		return nil, true
	}
	plan := op.plan
	plan.BaseDigests = maps.Clone(plan.BaseDigests)
	maps.DeleteFunc(plan.BaseDigests, func(_, digest string) bool { return digest == "" }) // not known yet
	bases, certain, err := inputs.BaseImages(ctx, plan)
	if err != nil || !certain {
		return nil, false
	}
	for _, base := range bases {
		if by, ok := promised.ofBase(base); ok && !holdsDigest(ctx, op.client, base, by.Digest) {
			awaited = append(awaited, awaitedBase{ref: base, by: by})
		}
	}
	return awaited, true
}

// imageOn returns the image that the builder at an endpoint has built.
func (b awaitedBase) imageOn(endpoint string) (one unpushedImage, ok bool) {
	i := slices.IndexFunc(b.images, func(image unpushedImage) bool { return image.endpoint == endpoint })
	if i < 0 {
		return unpushedImage{}, false
	}
	return b.images[i], true
}

// otherBuilderError is a base image that only other builders have built than the one of the image.
type otherBuilderError struct {
	base     awaitedBase
	endpoint string // of the builder of the image
}

// Error names the base image and the builders.
func (e *otherBuilderError) Error() string {
	var others []string
	for _, image := range e.base.images {
		others = append(others, image.endpoint)
	}
	return fmt.Sprintf("%s: %s has it, the builder is %s", e.base.ref, strings.Join(others, " or "), e.endpoint)
}

// missingBase returns the awaited base image that the builder does not have, according to the error of a build: another
// builder built it, or a layer is not there any more. A builder that is too old to take it from its cache asks the
// registry in vain.
func missingBase(err error, awaited []awaitedBase) (base awaitedBase, ok bool) {
	ref := ""
	if other, ok := errors.AsType[*otherBuilderError](err); ok {
		ref = other.base.ref
	}
	if lost, ok := errors.AsType[*buildkit.LostLayerError](err); ok {
		ref = lost.Ref
	}
	if missing, ok := errors.AsType[*buildkit.BaseImageError](err); ok && missing.Fault != buildkit.NoPlatform {
		ref = baseRef(missing.Ref)
	}
	i := slices.IndexFunc(awaited, func(b awaitedBase) bool { return b.ref == ref })
	if i < 0 {
		return awaitedBase{}, false
	}
	return awaited[i], true
}

// baseRef returns a reference as inputs.BaseImages does: without the tag if it has a digest. It returns "" for a text
// that is no reference.
func baseRef(ref string) string {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return ""
	}
	if fixed, ok := named.(reference.Digested); ok {
		return named.Name() + "@" + fixed.Digest().String()
	}
	return reference.TagNameOnly(named).String()
}

// unpushedOn returns the base images for a build on a builder, by their references. It returns an *otherBuilderError if
// that builder did not build one of them.
func unpushedOn(b builder, bases []awaitedBase) (map[string]*buildkit.UnpushedImage, error) {
	images := map[string]*buildkit.UnpushedImage{}
	for _, base := range bases {
		image, ok := base.imageOn(b.endpoint)
		if !ok {
			return nil, &otherBuilderError{base: base, endpoint: b.endpoint}
		}
		images[base.ref] = image.content
	}
	return images, nil
}

// holdsDigest tells whether a reference already points at a digest. It returns false if the registry gives no answer.
func holdsDigest(ctx context.Context, client *registry.Client, ref, digest string) bool {
	if digest == "" {
		return false
	}
	if repository, digest, ok := strings.Cut(ref, "@"); ok {
		there, err := client.Exists(ctx, repository, digest)
		return err == nil && there
	}
	tag, err := registry.ParseTag(ref)
	if err != nil {
		return false
	}
	held, err := client.Resolve(ctx, tag)
	return err == nil && held == digest
}
