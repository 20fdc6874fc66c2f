package inputs

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/distribution/reference"
)

// ImageScheme begins the location of an image.
const ImageScheme = "docker-image://"

var errHasDigest = errors.New("it names a digest already")

// Bases returns the images that the build of a plan begins from or copies from. They are canonical references, such as
// "docker.io/library/alpine:3.20", sorted. Images that a Dockerfile names by their digest are not among them: they
// never move. It asks the frontend and no network, as a prediction does.
//
// It returns false when it cannot be sure: another frontend interprets the Dockerfile, its text is not here, or a name
// depends on an argument that is not known yet or on the daemon's platform. The errors are those of predict.
func Bases(ctx context.Context, plan Plan) (bases []string, certain bool, err error) {
	return dryRunImages(ctx, plan, func(g *dryGateway) map[string]bool { return g.imagesByTag })
}

// BaseImages does what Bases does, and adds the images that are named by their digest, as
// "docker.io/library/alpine@sha256:…". An image that Plan.BaseDigests pins is named by that digest.
func BaseImages(ctx context.Context, plan Plan) (images []string, certain bool, err error) {
	return dryRunImages(ctx, plan, func(g *dryGateway) map[string]bool {
		all := maps.Clone(g.imagesByDigest)
		for ref := range g.imagesByTag {
			all[pinnedRef(plan.BaseDigests, ref)] = true
		}
		return all
	})
}

// KnownImages returns the images that the build of a plan may begin from or copy from, as canonical references, sorted.
// It is for preparations: where a prediction is not certain, some may be missing and some may not be needed.
func KnownImages(ctx context.Context, plan Plan) []string {
	all := map[string]bool{}
	texts, err := readTexts(ctx, plan.Files)
	if err != nil || len(texts.Dockerfile) == 0 {
		return nil
	}
	for _, target := range plan.targets() {
		plan.Target = target
		one, other := newDryGateways(plan, texts)
		_, _ = runBoth(ctx, one, other)
		for _, g := range []*dryGateway{one, other} {
			maps.Copy(all, g.imagesByTag)
			maps.Copy(all, g.imagesByDigest)
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// dryRunImages returns what imagesOf selects in the dry runs of all targets.
func dryRunImages(
	ctx context.Context, p Plan, imagesOf func(*dryGateway) map[string]bool,
) (images []string, certain bool, err error) {
	texts, err := readTexts(ctx, p.Files)
	if err != nil || len(texts.Dockerfile) == 0 {
		return nil, false, nil
	}
	p.Provenance, p.SBOM = "", ""
	all := map[string]bool{}
	for _, target := range p.targets() {
		p.Target = target
		one, other := newDryGateways(p, texts)
		doubt, err := runBoth(ctx, one, other)
		if err != nil || doubt != "" || !maps.Equal(imagesOf(one), imagesOf(other)) {
			return nil, false, err
		}
		maps.Copy(all, imagesOf(one))
	}
	return slices.Sorted(maps.Keys(all)), true, nil
}

// pinnedRef returns the reference of what the daemon takes for a base image.
func pinnedRef(digests map[string]string, ref string) string {
	digest, ok := digests[ref]
	named, err := reference.ParseNormalizedNamed(ref)
	if !ok || err != nil {
		return ref
	}
	return named.Name() + "@" + digest
}

// BaseName returns the canonical form of a reference to a base image. The error says what is wrong with it: it is no
// reference, or it names a digest already.
func BaseName(ref string) (string, error) {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return "", err
	}
	if _, ok := named.(reference.Digested); ok {
		return "", errHasDigest
	}
	return reference.TagNameOnly(named).String(), nil
}
