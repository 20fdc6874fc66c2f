package provider

import (
	"strings"
	"testing"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

const pushedImage = `{"contextHash": "c1", "platforms": ["linux/amd64"], "tags": ["a.io/x:1"], "buildArgs": {"A": "1"},
	"digest": "sha256:d", "ref": "a.io/x:1@sha256:d", "repoDigest": "a.io/x@sha256:d", "refs": ["a.io/x:1"],
	"manifests": {"linux/amd64": {"digest": "sha256:d", "repoDigest": "a.io/x@sha256:d", "size": 1}}}`

// shown renders the outputs that dependents read: ? is unknown.
func shown(out property.Map) string {
	var parts []string
	for _, k := range []string{"digest", "ref", "repoDigest", "refs", "manifests"} {
		v := out.Get(k)
		switch {
		case v.IsComputed():
			parts = append(parts, k+"=?")
		case v.IsString():
			parts = append(parts, k+"="+v.AsString())
		case v.IsArray():
			parts = append(parts, k+"="+strings.Join(texts(out, k), ","))
		default:
			parts = append(parts, k+"=known")
		}
	}
	return strings.Join(parts, " ")
}

// A preview never shows a known output that the update will change.
func TestPreviewOfAnUpdate(t *testing.T) {
	t.Parallel()
	inputs := func(changes string) string {
		return `{"contextHash": "c1", "platforms": ["linux/amd64"], "tags": ["a.io/x:1"], "buildArgs": {"A": "1"}, "buildOnPreview": false` + changes + `}`
	}
	cases := map[string]struct{ inputs, want string }{
		"unchanged":         {inputs(``), "digest=sha256:d ref=a.io/x:1@sha256:d repoDigest=a.io/x@sha256:d refs=a.io/x:1 manifests=known"},
		"content":           {inputs(`, "contextHash": "c2"`), "digest=? ref=? repoDigest=? refs=a.io/x:1 manifests=?"},
		"a build argument":  {inputs(`, "buildArgs": {"A": "2"}`), "digest=? ref=? repoDigest=? refs=a.io/x:1 manifests=?"},
		"unknown argument":  {inputs(`, "buildArgs": {"A": "?"}`), "digest=? ref=? repoDigest=? refs=a.io/x:1 manifests=?"},
		"unknown content":   {inputs(`, "contextHash": "?"`), "digest=? ref=? repoDigest=? refs=a.io/x:1 manifests=?"},
		"another tag":       {inputs(`, "tags": ["a.io/x:2"]`), "digest=sha256:d ref=a.io/x:2@sha256:d repoDigest=a.io/x@sha256:d refs=a.io/x:2 manifests=known"},
		"another repo":      {inputs(`, "tags": ["a.io/y:1"]`), "digest=? ref=? repoDigest=? refs=a.io/y:1 manifests=?"},
		"unknown tag":       {inputs(`, "tags": ["?"]`), "digest=? ref=? repoDigest=? refs=? manifests=?"},
		"unknown tags":      {inputs(`, "tags": "?"`), "digest=? ref=? repoDigest=? refs=? manifests=?"},
		"unknown password":  {inputs(`, "registries": [{"address": "a.io", "password": "?"}]`), "digest=sha256:d ref=a.io/x:1@sha256:d repoDigest=a.io/x@sha256:d refs=a.io/x:1 manifests=known"},
		"everything at all": {`{"contextHash": "?", "tags": "?", "platforms": "?", "buildOnPreview": true}`, "digest=? ref=? repoDigest=? refs=? manifests=?"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			res, err := serve(t).Update(p.UpdateRequest{ID: "app", Urn: urn, State: props(t, pushedImage), Inputs: props(t, c.inputs), DryRun: true})
			if err != nil {
				t.Fatal(err)
			}
			if got := shown(res.Properties); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestPreviewOfACreate(t *testing.T) {
	t.Parallel()
	res, err := serve(t).Create(p.CreateRequest{Urn: urn, DryRun: true,
		Properties: props(t, `{"contextHash": "c1", "tags": ["a.io/x:1"], "buildArgs": {"A": "?"}}`)})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := shown(res.Properties), "digest=? ref=? repoDigest=? refs=a.io/x:1 manifests=?"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if !res.Properties.Get("buildArgs").HasComputed() || text(res.Properties, "contextHash") != "c1" {
		t.Errorf("the applied inputs are not repeated: %v", res.Properties)
	}
}
