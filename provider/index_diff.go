package provider

import (
	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

// diffIndex returns how the new inputs differ from the outputs, by property path, without what ignoreChanges covers.
func diffIndex(outputs, inputs property.Map, ignoreChanges []string) map[string]p.PropertyDiff {
	changes := map[string]p.PropertyDiff{}
	ignores := ignoreMatcher(ignoreChanges)
	for _, in := range indexInputs {
		if in.equal == nil || in.equal(outputs, inputs, in.name) {
			continue
		}
		for path, kind := range leafChanges(in.name, outputs.Get(in.name), inputs.Get(in.name)) {
			if !ignores(path) {
				changes[path] = p.PropertyDiff{Kind: kind}
			}
		}
	}
	return changes
}

// isDockerBuildIndex tells whether docker-build wrote the outputs of an index, which have no digest. An update then
// writes ours, and changes nothing in the registry.
func isDockerBuildIndex(outputs property.Map) bool { return outputs.Get("digest").IsNull() }
