package provider

import (
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

// state is what the outputs of an Image remember.
type state struct {
	outputs property.Map
	digest  string
	refs    []string
	found   []string // of refs, those that somebody else pushed
	builds  []pastBuild
}

// pastBuild is a build that was made: with these inputs, an image of this digest, or "" when nobody got an image.
type pastBuild struct{ inputs, digest string }

// memoryKey holds the builds in the outputs. The engine keeps keys that begin with __ out of diffs and off the screen, and
// no SDK knows it.
const memoryKey = "__builds"

// memoryLimit is how many builds are remembered: so many commits can be gone back without building.
const memoryLimit = 20

func stateOf(outputs property.Map) state {
	s := state{outputs: outputs, digest: text(outputs, "digest"), refs: texts(outputs, "refs"), found: texts(outputs, othersKey)}
	memory := outputs.Get(memoryKey)
	if !memory.IsArray() {
		return s
	}
	for _, e := range memory.AsArray().All {
		if !e.IsMap() {
			continue
		}
		if b := (pastBuild{inputs: text(e.AsMap(), "inputs"), digest: text(e.AsMap(), "digest")}); b.inputs != "" {
			s.builds = append(s.builds, b)
		}
	}
	return s
}

// isApplied tells whether there is a state at all. The digest of an image that nobody gets is empty.
func (s state) isApplied() bool { return !s.outputs.Get("digest").IsNull() || len(s.refs) > 0 }

// digestFor is the image that was made of these inputs, "" when none is remembered.
func (s state) digestFor(inputs string) string {
	for _, b := range s.builds {
		if b.inputs == inputs {
			return b.digest
		}
	}
	return ""
}

// hasBuilt tells whether a build of these inputs is remembered.
func (s state) hasBuilt(inputs string) bool {
	return slices.ContainsFunc(s.builds, func(b pastBuild) bool { return b.inputs == inputs })
}

// withBuild is the memory with one more build, the latest first. A build without an image leaves the image that is known.
func (s state) withBuild(b pastBuild) []pastBuild {
	if b.digest == "" {
		b.digest = s.digestFor(b.inputs)
	}
	builds := slices.DeleteFunc(slices.Clone(s.builds), func(old pastBuild) bool { return old.inputs == b.inputs })
	builds = append([]pastBuild{b}, builds...)
	return builds[:min(len(builds), memoryLimit)]
}

func buildsValue(builds []pastBuild) property.Value {
	list := make([]property.Value, len(builds))
	for i, b := range builds {
		list[i] = property.New(map[string]property.Value{"inputs": property.New(b.inputs), "digest": property.New(b.digest)})
	}
	return property.New(list)
}
