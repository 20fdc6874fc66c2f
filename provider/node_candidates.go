package provider

import (
	"context"

	"github.com/containerd/platforms"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/buildx"
)

// candidates returns the builders over which the platforms of an image are spread. It returns none if the choice is one
// builder that may build all platforms, or if it is unknown.
func (f *builderFinder) candidates(ctx context.Context, c *choice) []candidate {
	if c.buildx != "" {
		return f.buildxCandidates(ctx, c.buildx)
	}
	if len(c.nodes) == 1 && len(c.nodes[0].Platforms) == 0 {
		return nil
	}
	var all []candidate
	for _, n := range c.nodes {
		all = append(all, f.nodeCandidate(n))
	}
	return all
}

// nodeCandidate returns a builder of the provider's configuration.
func (f *builderFinder) nodeCandidate(n BuilderNode) candidate {
	c := candidate{name: deref(n.Endpoint), platforms: normalizePlatforms(n.Platforms), share: deref(n.Share)}
	c.connect = func(ctx context.Context) (builder, error) {
		return f.connectAddress(ctx, &choice{address: deref(n.Endpoint), tls: n.TLS})
	}
	if name := deref(n.Name); name != "" {
		c.name = "the buildx builder " + name
		c.connect = func(ctx context.Context) (builder, error) { return f.connectBuildx(ctx, name) }
	}
	return c
}

// buildxCandidates returns the nodes of a buildx builder; none if it has one node, or if there is no such builder. A
// node that was created for some platforms builds no others.
func (f *builderFinder) buildxCandidates(ctx context.Context, name string) []candidate {
	known, err := buildx.Open().Builder(ctx, name)
	if err != nil || len(known.Nodes) == 1 {
		return nil
	}
	var all []candidate
	for _, n := range known.Nodes {
		c := candidate{name: "the node " + n.Name + " of the buildx builder " + name}
		for _, p := range n.Platforms {
			c.platforms = append(c.platforms, platforms.FormatAll(platforms.Normalize(p)))
		}
		c.connect = func(ctx context.Context) (builder, error) { return f.connectNode(ctx, known, n) }
		all = append(all, c)
	}
	return all
}
