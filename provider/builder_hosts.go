package provider

import (
	"context"
	"slices"
	"strings"

	"github.com/distribution/reference"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
)

// registryHosts returns the registries that the build of an operation needs, as far as they are known: those of tags,
// caches, base images, named contexts, the SBOM scanner and the frontend.
func registryHosts(ctx context.Context, op operation, config Config) []string {
	refs := slices.Concat(op.tags.repositories, cacheReferences(op.inputs), inputs.KnownImages(ctx, op.plan),
		[]string{op.plan.SBOM})
	if frontend, ok := inputs.Frontend(ctx, op.plan); ok {
		refs = append(refs, frontend)
	} else {
		refs = append(refs, config.Frontends...) // of which the Dockerfile may ask for one
	}
	for _, location := range op.plan.Files.Remotes() {
		if ref, isImage := strings.CutPrefix(location, inputs.ImageScheme); isImage {
			refs = append(refs, ref)
		}
	}
	var hosts []string
	for _, ref := range refs {
		if named, err := reference.ParseNormalizedNamed(ref); err == nil {
			hosts = append(hosts, reference.Domain(named))
		}
	}
	slices.Sort(hosts)
	return slices.Compact(hosts)
}
