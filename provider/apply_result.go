package provider

import (
	"slices"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/property"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
)

// applyResult is what apply has done so far.
type applyResult struct {
	digest    string
	hash      string         // the contextHash for the outputs; see appliedHash
	others    []string       // references that somebody else has pushed
	tags      []registry.Tag // that hold the digest now
	manifests []registry.Manifest
	builds    []pastBuild
	unsure    bool // nobody knows whether a tag that held the old image has moved
}

// outputs returns the watched inputs as they were applied, and the digests. If nobody knows which tags moved, it
// returns the old outputs.
func (a applyResult) outputs(op operation) property.Map {
	if a.unsure {
		return op.old.outputs
	}
	out := repeatedInputs(op.inputs)
	if op.pinned {
		out = out.Set("contextHash", property.New(a.hash))
	}
	if len(a.tags) < len(op.tags.list) { // the next update moves the rest
		out = withNames(out, func(name string) bool { return isAmong(name, a.tags) })
	}
	out = setReferences(out, a.digest, references(a.tags), op.tags.repositoriesWith(a.tags))
	if ref, ok := op.localRef(); ok && !pushes(op.inputs) {
		out = out.Set("ref", property.New(ref))
	}
	if others := a.othersAmong(references(a.tags), op.old.others); len(others) > 0 {
		out = out.Set(othersKey, list(others))
	}
	return out.
		Set("manifests", manifestsValue(a.manifests, op.tags.repositoriesWith(a.tags))).
		Set(pastBuildsKey, pastBuildsValue(a.builds))
}

// partial returns why the operation is not complete although tags moved, or may have moved. It returns nil if no tag
// moved, or all did. After a partial update the engine updates again, even if nothing differs.
func (a applyResult) partial(err error) *p.InitializationFailed {
	if err == nil || len(a.tags) == 0 && !a.unsure {
		return nil
	}
	return &p.InitializationFailed{Reasons: []string{explainRegistry(err).Error()}}
}

// setReferences sets the outputs that follow from the digest and the references that hold it.
func setReferences(out property.Map, digest string, refs, repositories []string) property.Map {
	ref, repoDigest := "", ""
	if len(repositories) > 0 {
		repoDigest = repositories[0] + "@" + digest
		ref = repoDigest // of an image without a tag
	}
	if len(refs) > 0 {
		ref = refs[0] + "@" + digest
	}
	return out.
		Set("digest", property.New(digest)).
		Set("ref", property.New(ref)).
		Set("repoDigest", property.New(repoDigest)).
		Set("refs", list(refs))
}

// manifestsValue returns manifests as an output, by platform.
func manifestsValue(of []registry.Manifest, repositories []string) property.Value {
	byPlatform := map[string]property.Value{}
	for _, m := range of {
		if _, twice := byPlatform[m.Platform]; twice { // engines take the first, too
			continue
		}
		repoDigest := ""
		if len(repositories) > 0 {
			repoDigest = repositories[0] + "@" + m.Digest
		}
		byPlatform[m.Platform] = property.New(map[string]property.Value{
			"digest":     property.New(m.Digest),
			"repoDigest": property.New(repoDigest),
			"size":       property.New(float64(m.Size)),
		})
	}
	return property.New(byPlatform)
}

// othersKey holds, in the outputs, the references that somebody else pushed. Like pastBuildsKey it is hidden from diffs
// and SDKs.
const othersKey = "__found"

// othersAmong returns those of refs that somebody else pushed: those of the state, and those that apply found now.
func (a applyResult) othersAmong(refs []string, before []string) []string {
	return slices.DeleteFunc(slices.Clone(refs), func(ref string) bool {
		return !slices.Contains(before, ref) && !slices.Contains(a.others, ref)
	})
}

// newApplyResult returns the result of an operation before it builds. If there is an image to reuse, it has that image.
func newApplyResult(op operation, there reuse) applyResult {
	result := applyResult{
		digest:    there.digest,
		hash:      op.appliedHash(""),
		manifests: there.manifests,
		others:    there.others,
		builds:    op.old.builds,
	}
	if op.takesOver && there.ok {
		result.builds = op.old.withBuild(pastBuild{op.hash, there.digest})
	}
	return result
}

// noteBuild records in the result what was built.
//
// The state remembers an image only if its files are those that contextHash stands for. A hash that the user set, or
// that ignoreChanges keeps, may stand for others.
func (a *applyResult) noteBuild(op operation, built image) {
	a.digest, a.hash = built.digest, op.appliedHash(built.hash)
	if built.hash == deref(op.args.ContextHash) {
		past := op.old
		if op.secretsChanged { // what was built with the old secret must not come back with old files
			past.builds = nil
		}
		a.builds = past.withBuild(pastBuild{op.hash, built.digest})
		inputs.UserHistory().Remember(built.hash, built.inputs)
	}
}
