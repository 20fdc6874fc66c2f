package provider

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	p "github.com/pulumi/pulumi-go-provider"
)

const appliedImage = `{"contextHash": "c1", "platforms": ["linux/amd64", "linux/arm64"],
	"tags": ["a.io/x:1", "a.io/x:2"],
	"buildArgs": {"A": "1", "B.C": "2"}, "labels": {"l": "v"}, "target": "app", "push": true,
	"digest": "sha256:d", "ref": "a.io/x:1@sha256:d", "refs": ["a.io/x:1"], "__builds": []}`

func TestDiff(t *testing.T) {
	t.Parallel()
	wanted := func(changes string) string {
		return `{"contextHash": "c1", "platforms": ["linux/amd64", "linux/arm64"], "tags": ["a.io/x:1", "a.io/x:2"],
			"buildArgs": {"A": "1", "B.C": "2"}, "labels": {"l": "v"}, "target": "app", "push": true` + changes + `}`
	}
	cases := map[string]struct{ inputs, want string }{
		"nothing":             {wanted(``), ""},
		"contextHash":         {wanted(`, "contextHash": "c2"`), "contextHash:update"},
		"contextHash unknown": {wanted(`, "contextHash": "?"`), "contextHash:update"},
		"a platform more": {
			wanted(`, "platforms": ["linux/amd64", "linux/arm64", "linux/arm/v7"]`), "platforms[2]:add",
		},
		"platforms reordered":           {wanted(`, "platforms": ["linux/arm64", "linux/amd64"]`), ""},
		"platforms in another spelling": {wanted(`, "platforms": ["linux/x86_64", "linux/arm64/v8"]`), ""},
		"tags reordered":                {wanted(`, "tags": ["a.io/x:2", "a.io/x:1"]`), ""},
		"a tag changed":                 {wanted(`, "tags": ["a.io/x:1", "a.io/x:3"]`), "tags[1]:update"},
		"a tag unknown":                 {wanted(`, "tags": ["a.io/x:1", "?"]`), "tags[1]:update"},
		"tags unknown":                  {wanted(`, "tags": "?"`), "tags:add tags[0]:delete tags[1]:delete"},
		"a build argument":              {wanted(`, "buildArgs": {"A": "2", "B.C": "2"}`), "buildArgs.A:update"},
		"an odd build argument":         {wanted(`, "buildArgs": {"A": "1"}`), `buildArgs["B.C"]:delete`},
		"a build argument secret":       {wanted(`, "buildArgs": {"A": "secret:1", "B.C": "2"}`), ""},
		"a label more":                  {wanted(`, "labels": {"l": "v", "m": "w"}`), "labels.m:add"},
		"no target":                     {wanted(`, "target": null`), "target:delete"},
		"push by default":               {wanted(`, "push": null`), ""},
		"no push":                       {wanted(`, "push": false`), "push:update"},
		"another context":               {wanted(`, "context": {"location": "/elsewhere"}`), ""},
		"another Dockerfile":            {wanted(`, "dockerfile": {"location": "/elsewhere"}`), ""},
		"another password": {
			wanted(`, "registries": [{"address": "a.io", "password": "secret:new"}]`), "",
		},
		"another builder":       {wanted(`, "builder": {"endpoint": "tcp://b:1"}`), ""},
		"previews do not build": {wanted(`, "buildOnPreview": false`), ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			res, err := serve(t).Diff(p.DiffRequest{
				ID: "app", Urn: urn, State: props(t, appliedImage), Inputs: props(t, c.inputs),
			})
			if err != nil {
				t.Fatal(err)
			}
			if got := changesOf(res); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
			if res.HasChanges != (c.want != "") || res.DeleteBeforeReplace {
				t.Errorf("got %+v", res)
			}
		})
	}
}

func changesOf(res p.DiffResponse) string {
	var changes []string
	for _, path := range slices.Sorted(maps.Keys(res.DetailedDiff)) {
		changes = append(changes, fmt.Sprintf("%s:%s", path, res.DetailedDiff[path].Kind))
	}
	return strings.Join(changes, " ")
}

// A property that ignoreChanges covers, as a whole or in part, never shows as a change.
func TestDiffHeedsIgnoreChanges(t *testing.T) {
	t.Parallel()
	state := `{"contextHash": "1", "buildArgs": {"A": "1", "B": "1"}, "tags": ["a.io/x:1"]}`
	inputs := `{"contextHash": "2", "buildArgs": {"A": "2", "B": "2"}, "tags": ["a.io/x:2"]}`
	cases := map[string]struct {
		ignore []string
		want   string
	}{
		"nothing":        {nil, "buildArgs.A:update buildArgs.B:update contextHash:update tags[0]:update"},
		"whole inputs":   {[]string{"contextHash", "tags"}, "buildArgs.A:update buildArgs.B:update"},
		"one argument":   {[]string{"contextHash", "tags", "buildArgs.A"}, "buildArgs.B:update"},
		"every argument": {[]string{"contextHash", "tags", "buildArgs[*]"}, ""},
		"everything":     {[]string{"*"}, ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			res, err := serve(t).Diff(p.DiffRequest{
				ID: "app", Urn: urn, State: props(t, state), Inputs: props(t, inputs), IgnoreChanges: c.ignore,
			})
			if err != nil || changesOf(res) != c.want || res.HasChanges != (c.want != "") {
				t.Errorf("got %q, %v, want %q", changesOf(res), err, c.want)
			}
		})
	}
}
