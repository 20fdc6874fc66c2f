package provider

import (
	"maps"
	"reflect"
	"slices"
	"testing"
)

// TestInputTableHasEachInputOnce checks that the table has the inputs of ImageArgs and no others, each with a reason.
func TestInputTableHasEachInputOnce(t *testing.T) {
	t.Parallel()
	var names []string
	for _, in := range inputTable {
		names = append(names, in.name)
		if in.why == "" {
			t.Errorf("%s has no reason", in.name)
		}
	}
	want := slices.Sorted(maps.Keys(fieldsOf(reflect.TypeFor[ImageArgs]())))
	if slices.Sort(names); !slices.Equal(names, want) {
		t.Errorf("the table has\n%v, the inputs are\n%v", names, want)
	}
}

// TestInputTableIsConsistent checks that an input that shapes the image is compared, and must be known to build it. No
// compared input is a secret, because outputs repeat it.
func TestInputTableIsConsistent(t *testing.T) {
	t.Parallel()
	outputs := fieldsOf(reflect.TypeFor[ImageState]())
	for _, in := range inputTable {
		if in.hash != nil && (in.equal == nil || !in.builds) {
			t.Errorf("%s shapes the image and is not compared, or a preview builds without it", in.name)
		}
		if in.files > needNothing && !in.builds {
			t.Errorf("%s decides which files a build reads, and a preview builds without it", in.name)
		}
		if in.bases > in.files {
			t.Errorf("%s decides which base images a build has, and not which files it reads", in.name)
		}
		if _, ok := outputs[in.name]; ok != (in.hidden == "") && in.name != "baseDigests" { // which no SDK shows
			t.Errorf("%s is hidden because %q; the outputs have it: %v", in.name, in.hidden, ok)
		}
		if in.hidden != "" && in.equal != nil {
			t.Errorf("%s is compared, and no output repeats it", in.name)
		}
	}
}

// TestListsOfInputs checks the lists that are derived from the table.
func TestListsOfInputs(t *testing.T) {
	t.Parallel()
	image := []string{
		"addHosts", "annotations", "baseDigests", "buildArgs", "contextHash", "exports", "labels", "load", "network",
		"platforms", "provenance", "sbom", "sourceDateEpoch", "target", "testTargets",
	}
	for name, list := range map[string]struct{ got, want []string }{
		"watched": {watchedInputs, append([]string{"push", "tags"}, image...)},
		"image":   {imageInputs, image},
		"build": {buildInputs, append([]string{
			"allow", "buildOnPreview", "builder", "context", "dockerfile", "limits", "noCache", "noCacheFilter", "pull",
			"secretSources", "secrets", "ssh", "volatileArgs", "watch", "watchSecrets",
		}, image...)},
		"other outputs": {otherOutputs, []string{
			"allow", "buildOnPreview", "builder", "cacheFrom", "cacheMounts", "cacheTo", "context", "dockerfile",
			"exec", "ignoreSecretsInDiffCalculation", "limits", "noCache", "noCacheFilter", "pull", "pushTimeout",
			"volatileArgs", "watch", "watchSecrets",
		}},
		"computed": {computedInputs, []string{"baseDigests", "contextHash"}},
		"delivery": {deliveryInputs, []string{"exports", "load", "push", "tags"}},
		"public":   {publicInputs, []string{"annotations", "buildArgs", "exports", "labels", "tags"}},
		"files":    {filesInputs, []string{"context", "dockerfile", "platforms", "target", "testTargets", "watch"}},
		"bases": {
			inputsThat(func(in input) bool { return in.bases >= needValue }),
			[]string{"context", "dockerfile", "platforms", "target", "testTargets"},
		},
	} {
		if got, want := sortUnique(list.got), sortUnique(list.want); !slices.Equal(got, want) {
			t.Errorf("%s: got\n%v, want\n%v", name, got, want)
		}
	}
}

// TestMeets checks inputs with an unknown value in them, and unknown inputs.
func TestMeets(t *testing.T) {
	t.Parallel()
	for inputs, want := range map[string]struct{ files, bases bool }{
		`{}`:                                {true, true},
		`{"tags": "?", "secrets": "?"}`:     {true, true},
		`{"buildArgs": {"A": "?"}}`:         {true, true},
		`{"buildArgs": "?"}`:                {false, false},
		`{"watch": "?"}`:                    {false, true},
		`{"pull": "?"}`:                     {false, true},
		`{"context": {"location": "?"}}`:    {false, false},
		`{"platforms": ["linux/arm", "?"]}`: {false, false},
	} {
		m := props(t, inputs)
		if files, bases := meets(m, filesNeed), meets(m, basesNeed); files != want.files || bases != want.bases {
			t.Errorf("%s: files %v, bases %v", inputs, files, bases)
		}
	}
}
