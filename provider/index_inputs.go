package provider

import "github.com/pulumi/pulumi/sdk/v3/go/property"

// indexInput says what one input of Index means.
type indexInput struct {
	name string
	// equal compares the applied value with the new one. If they differ, the index is updated. It is nil for an input
	// that never causes an update.
	equal func(applied, wanted property.Map, key string) bool

	why string // a change is a reason to update, or is none
}

// indexInputs lists every input once.
var indexInputs = []indexInput{
	{name: "tag", equal: equal, why: "it names the index"},
	{name: "sources", equal: equal, why: "the manifests are theirs, in this order"},
	{name: "push", equal: equalIndexPush, why: "it says whether there is an index"},
	{name: "platforms", equal: equalPlatforms, why: "the index has an image for each"},
	{name: "annotations", equal: equal, why: "they are part of the index"},
	{name: "sourceDigests", equal: equal, why: "a source holds another image"},
	{name: "registry", why: "credentials are looked up when they are needed"},
}

// equalIndexPush compares push. One that is not set equals true.
func equalIndexPush(applied, wanted property.Map, key string) bool {
	return isKnown(wanted, key) && pushesIndex(applied) == pushesIndex(wanted)
}

// watchedIndexInputs returns the inputs of which a change is an update. The outputs repeat them.
func watchedIndexInputs() (names []string) {
	for _, in := range indexInputs {
		if in.equal != nil {
			names = append(names, in.name)
		}
	}
	return names
}
