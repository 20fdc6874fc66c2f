package provider

import (
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

// state is what the outputs of an image remember.
type state struct {
	outputs property.Map
	digest  string
	refs    []string
	others  []string // of refs, those that somebody else pushed
	builds  []pastBuild
}

// pastBuild is a build of the past: its inputs hash, and the digest of the image. The digest is "" if nobody got the
// image.
type pastBuild struct{ inputs, digest string }

// pastBuildsKey holds the past builds in the outputs. The engine keeps keys that begin with __ out of diffs and off the
// screen, and no SDK knows them.
const pastBuildsKey = "__builds"

// pastBuildsLimit is how many builds the state remembers, and so how many commits can be reverted without a build.
const pastBuildsLimit = 20

// stateOf reads the state from outputs. It accepts any outputs.
func stateOf(outputs property.Map) state {
	s := state{
		outputs: outputs,
		digest:  text(outputs, "digest"),
		refs:    texts(outputs, "refs"),
		others:  texts(outputs, othersKey),
	}
	past := outputs.Get(pastBuildsKey)
	if !past.IsArray() {
		return s
	}
	for _, e := range past.AsArray().All {
		if !e.IsMap() {
			continue
		}
		if b := (pastBuild{inputs: text(e.AsMap(), "inputs"), digest: text(e.AsMap(), "digest")}); b.inputs != "" {
			s.builds = append(s.builds, b)
		}
	}
	return s
}

// isApplied tells whether something was applied. The digest is empty if nobody got the image.
func (s state) isApplied() bool { return !s.outputs.Get("digest").IsNull() || len(s.refs) > 0 }

// digestFor returns the digest of the image of these inputs, or "".
func (s state) digestFor(inputs string) string {
	for _, b := range s.builds {
		if b.inputs == inputs {
			return b.digest
		}
	}
	return ""
}

// hasBuilt tells whether the state remembers a build of these inputs.
func (s state) hasBuilt(inputs string) bool {
	return slices.ContainsFunc(s.builds, func(b pastBuild) bool { return b.inputs == inputs })
}

// withBuild returns the past builds with one more, the latest first. A build without an image does not replace a known
// image of the same inputs.
func (s state) withBuild(b pastBuild) []pastBuild {
	if b.digest == "" {
		b.digest = s.digestFor(b.inputs)
	}
	builds := slices.DeleteFunc(slices.Clone(s.builds), func(old pastBuild) bool { return old.inputs == b.inputs })
	builds = append([]pastBuild{b}, builds...)
	return builds[:min(len(builds), pastBuildsLimit)]
}

// pastBuildsValue returns builds as an output.
func pastBuildsValue(builds []pastBuild) property.Value {
	list := make([]property.Value, len(builds))
	for i, b := range builds {
		list[i] = property.New(map[string]property.Value{
			"inputs": property.New(b.inputs),
			"digest": property.New(b.digest),
		})
	}
	return property.New(list)
}
