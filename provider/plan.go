package provider

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/property"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/source"
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

// shaping are the inputs that have a say in the image or in what is left beside it; tags and push name it only.
var shaping = []string{"contextHash", "platforms", "target", "buildArgs", "labels", "annotations", "testTargets", "addHosts", "network",
	"sourceDateEpoch", "provenance", "sbom", "exports", "load", "baseDigests"}

// inputsHash identifies everything that has a say in the image, 64 hexadecimal digits: two operations with an equal hash
// may share one image. Credentials, secrets, builder and tags are no part of it.
func inputsHash(a ImageArgs) string {
	h := sha256.New()
	field := func(s string) { source.WriteField(h, []byte(s)) }
	field("pulumi-buildkit image v1")
	field(strconv.Itoa(buildkit.CompatibilityVersion))
	field(deref(a.ContextHash))
	field(deref(a.Target))
	platforms := sortUnique(normalizePlatforms(a.Platforms))
	field(strconv.Itoa(len(platforms)))
	for _, p := range platforms {
		field(p)
	}
	for _, m := range []map[string]string{a.BuildArgs, a.Labels} {
		field(strconv.Itoa(len(m)))
		for _, k := range slices.Sorted(maps.Keys(m)) {
			field(k)
			field(m[k])
		}
	}
	for _, values := range a.rare() {
		field(strconv.Itoa(len(values)))
		for _, v := range values {
			field(v)
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

// rare are the inputs of the hash that few images have, each after its name, and only those that an image has: the hash of the
// others stays the same whatever is added here.
func (a ImageArgs) rare() (fields [][]string) {
	add := func(name string, values ...string) {
		if len(values) > 0 && values[0] != "" {
			fields = append(fields, append([]string{name}, values...))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(a.Annotations)) {
		add("annotation", name, a.Annotations[name])
	}
	add("testTargets", sortUnique(a.TestTargets)...)
	for _, h := range a.hosts() {
		add("host", h.Name, h.IP.String())
	}
	add("network", a.network())
	bases := a.baseDigests()
	for _, ref := range slices.Sorted(maps.Keys(bases)) {
		add("base", ref, bases[ref])
	}
	if a.SourceDateEpoch != nil {
		add("sourceDateEpoch", strconv.Itoa(*a.SourceDateEpoch))
	}
	add("provenance", a.provenance())
	add("sbom", a.sbom())
	written := a.imageAttrs()
	for _, name := range slices.Sorted(maps.Keys(written)) {
		if !slices.Contains(imageStoreAttrs, name) {
			add("written", name, written[name])
		}
	}
	return fields
}
