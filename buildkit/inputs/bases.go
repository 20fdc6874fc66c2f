package inputs

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/distribution/reference"
)

// ImageScheme begins the location of an image.
const ImageScheme = "docker-image://"

var errHasDigest = errors.New("it names a digest already")

// Bases are the images that the build of a plan begins from or copies from: canonical references, such as
// "docker.io/library/alpine:3.20", sorted. Those that a Dockerfile names by their digest are not among them: they never move.
// As in Predict the frontend is asked, and no network.
//
// It returns false when it cannot be sure: another frontend interprets the Dockerfile, its text is not here, or a name depends
// on an argument that is not known yet or on the daemon's platform. The errors are those of Predict.
func Bases(ctx context.Context, plan Plan) (bases []string, certain bool, err error) {
	return plan.dryRunImages(ctx, func(g *dryGateway) map[string]bool { return g.imagesByTag })
}

// BaseImages is Bases with the images that are named by their digest, as "docker.io/library/alpine@sha256:…". What
// Plan.BaseDigests pins is named by that digest.
func BaseImages(ctx context.Context, plan Plan) (images []string, certain bool, err error) {
	return plan.dryRunImages(ctx, func(g *dryGateway) map[string]bool {
		all := maps.Clone(g.imagesByDigest)
		for ref := range g.imagesByTag {
			all[plan.pinnedRef(ref)] = true
		}
		return all
	})
}

// dryRunImages returns what is noted in the dry runs of all targets.
func (p Plan) dryRunImages(ctx context.Context, noted func(*dryGateway) map[string]bool) (_ []string, certain bool, _ error) {
	d, err := readDefinition(ctx, p.Files)
	if err != nil || len(d.Dockerfile) == 0 {
		return nil, false, nil
	}
	p.Provenance, p.SBOM = "", ""
	all := map[string]bool{}
	for _, target := range p.targets() {
		p.Target = target
		one, other := newDryGateways(p, d)
		if ended, err := runBoth(ctx, one, other); !ended || !maps.Equal(noted(one), noted(other)) {
			return nil, false, err
		}
		maps.Copy(all, noted(one))
	}
	return slices.Sorted(maps.Keys(all)), true, nil
}

// pinnedRef returns what the daemon takes for a base image.
func (p Plan) pinnedRef(ref string) string {
	digest, ok := p.BaseDigests[ref]
	named, err := reference.ParseNormalizedNamed(ref)
	if !ok || err != nil {
		return ref
	}
	return named.Name() + "@" + digest
}

// BaseName is the canonical form of a reference to a base image. The error says what is wrong with it: it is no reference, or it
// names a digest already.
func BaseName(ref string) (string, error) {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return "", err
	}
	if _, fixed := named.(reference.Digested); fixed {
		return "", errHasDigest
	}
	return reference.TagNameOnly(named).String(), nil
}

// recordSource remembers a source that the frontend asks for, and whether it is a base image.
func (g *dryGateway) recordSource(source string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.transcript.WriteString(source)
	ref, isImage := strings.CutPrefix(source, ImageScheme)
	named, err := reference.ParseNormalizedNamed(ref)
	if !isImage || err != nil {
		return
	}
	if fixed, ok := named.(reference.Digested); ok {
		g.imagesByDigest[named.Name()+"@"+fixed.Digest().String()] = true
		return
	}
	g.imagesByTag[reference.TagNameOnly(named).String()] = true
}
