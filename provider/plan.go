package provider

import (
	"context"
	"fmt"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/property"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
)

// operation is one Create or Update: what is wanted and what was applied before.
type operation struct {
	urn    resource.URN
	inputs property.Map
	args   ImageArgs
	old    state
	waits  *waits

	makesImage bool // somebody gets the image, or it is not known yet whether anybody does
	pinned     bool // contextHash is in ignoreChanges: its value is the old one, whatever the files are by now
}

func newOperation(ctx context.Context, urn resource.URN, inputs property.Map, old state) (operation, error) {
	args, err := decodeStored(ctx, inputs)
	return operation{urn: urn, inputs: inputs, args: args, old: old, waits: newWaits(ctx), makesImage: args.makesImage(inputs)}, err
}

// appliedHash is the contextHash that the outputs repeat. built is the one of what was built, "" when nothing was.
//
// Under ignoreChanges it is not the input, or an image that had to be built all the same, of other files, would pass for
// one of the files of old as soon as these are back.
func (op operation) appliedHash(built string) string {
	switch {
	case op.pinned && built != "":
		return built
	case op.pinned && op.unchanged():
		return text(op.old.outputs, "contextHash")
	}
	return deref(op.args.ContextHash)
}

// pushes tells whether the image goes to a registry.
func (op operation) pushes() bool { return pushes(op.inputs) && len(op.args.Tags) > 0 }

// tags are the references to push to, none when nothing is pushed.
func (op operation) tags() ([]registry.Tag, error) {
	if !op.pushes() {
		return nil, nil
	}
	var tags []registry.Tag
	hash := inputsHash(op.args)
	for i, t := range op.args.Tags {
		tag, err := tagFor(t, hash)
		if err != nil {
			return nil, fmt.Errorf("tags[%d]: %w", i, err)
		}
		if !slices.Contains(tags, tag) {
			tags = append(tags, tag)
		}
	}
	return tags, nil
}

// repositories are those of the tags, each once, in their order.
func repositories(tags []registry.Tag) []string {
	var names []string
	for _, t := range tags {
		if !slices.Contains(names, t.Repository()) {
			names = append(names, t.Repository())
		}
	}
	return names
}

// plan is what the builder is asked for.
func (a ImageArgs) plan(repositories []string) inputs.Plan {
	return inputs.Plan{
		Files:        a.files(),
		WatchAll:     deref(a.Watch) == WatchAll,
		Pull:         deref(a.Pull),
		Platforms:    sortUnique(normalizePlatforms(a.Platforms)), // their order is that of the index, and would be in its digest
		Target:       deref(a.Target),
		BuildArgs:    a.BuildArgs,
		Labels:       a.Labels,
		Annotations:  a.Annotations,
		TestTargets:  a.TestTargets,
		Network:      a.network(),
		Hosts:        a.hosts(),
		NoCache:      deref(a.NoCache),
		Epoch:        a.epoch(),
		Provenance:   a.provenance(),
		SBOM:         a.sbom(),
		ImageAttrs:   a.imageAttrs(),
		BaseDigests:  a.baseDigests(),
		Repositories: repositories,
	}
}
