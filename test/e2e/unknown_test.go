//go:build linux

package e2e

import (
	"net/http"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// unknownInputs has every input with a value that another resource makes. The tag of first is src, so the variable word
// becomes src.
const unknownInputs = `
variables:
  word: { "fn::select": [0, { "fn::split": ["@", { "fn::select": [2, { "fn::split": [":", "${first.ref}"] }] }] }] }
resources:
  first:
    type: buildkit:Image
    properties:
      context: { location: src }
      platforms: [linux/amd64]
      buildOnPreview: false
      tags: ["REPO:src"]
  place:
    type: buildkit:Image
    properties: { context: { location: "./${word}" }, platforms: [linux/amd64], tags: ["REPO:place"] }
  recipe:
    type: buildkit:Image
    properties:
      context: { location: src, named: { lib: { location: "./${word}" } } }
      dockerfile: { inline: "FROM scratch\nCOPY --from=lib file /${word}\n" }
      platforms: [linux/amd64]
      tags: ["REPO:recipe"]
  shape:
    type: buildkit:Image
    properties:
      context: { location: src }
      target: "${word}"
      platforms: [linux/amd64]
      labels: { known: word, later: "${first.repoDigest}" }
      buildArgs: { KNOWN: word, LATER: "${first.digest}" }
      tags: ["REPO:shape", "REPO/${word}:shape"]
  pinned:
    type: buildkit:Image
    properties:
      context: { location: src }
      contextHash: "${first.digest}"
      platforms: [linux/amd64]
      annotations: { later: "${first.ref}" }
      tags: ["REPO:pinned"]
  hashed:
    type: buildkit:Image
    properties:
      context: { location: src }
      buildArgs: { LATER: "${first.digest}" }
      platforms: [linux/amd64]
      tags: ["REPO:{hash}"]
  cached:
    type: buildkit:Image
    properties:
      context: { location: src }
      cacheTo:
        - disabled: true
          s3:
            bucket: "${first.digest}"
            region: "${first.ref}"
            name: "${first.repoDigest}"
            endpointUrl: "https://known"
      platforms: [linux/amd64]
      tags: ["REPO:cached"]
  login:
    type: buildkit:Image
    properties:
      context: { location: src }
      platforms: [linux/amd64]
      registries: [{ address: 127.0.0.1, username: me, password: "${first.digest}" }]
      tags: ["REPO:login"]
  configured:
    type: pulumi:providers:buildkit
    properties: { registries: [{ address: 127.0.0.1, password: "${first.digest}" }] }
  through:
    type: buildkit:Image
    properties: { context: { location: src }, platforms: [linux/amd64], tags: ["REPO:through"] }
    options: { provider: "${configured}" }
  last:
    type: buildkit:Image
    properties:
      context: { location: src }
      platforms: [linux/amd64]
      labels:
        place: "${place.digest}"
        recipe: "${recipe.ref}"
        shape: "${shape.refs[1]}"
        login: "${login.digest}"
        through: "${through.digest}"
        pinned: "${pinned.digest}"
        hashed: "${hashed.refs[0]}"
      tags: ["REPO:last"]
`

// An unknown value stays unknown beside known ones, and reaches dependents as unknown.
func TestUnknownValuesEndToEnd(t *testing.T) {
	t.Parallel()
	s := open(t, program(t, unknownInputs,
		map[string]string{"src/Dockerfile": "FROM scratch AS src\nARG LATER\nLABEL later=$LATER\nCOPY file /\n",
			"src/file": "x"}))
	steps := previewSteps(t, s)
	for _, name := range []string{"first", "place", "recipe", "shape", "pinned", "hashed", "cached", "login", "through",
		"last"} {
		if steps[name].Op != "create" {
			t.Errorf("%s: %q", name, steps[name].Op)
		}
	}
	for _, c := range []struct {
		resource string
		path     []string
		known    any
	}{
		{"place", []string{"context", "location"}, nil},
		{"place", []string{"contextHash"}, nil},
		{"recipe", []string{"contextHash"}, nil},
		{"shape", []string{"target"}, nil},
		{"shape", []string{"contextHash"}, nil},
		{"shape", []string{"labels", "known"}, "word"},
		{"shape", []string{"labels", "later"}, nil},
		{"shape", []string{"buildArgs", "KNOWN"}, "word"},
		{"shape", []string{"buildArgs", "LATER"}, nil},
		{"cached", []string{"cacheTo", "0", "s3", "bucket"}, nil},
		{"cached", []string{"cacheTo", "0", "s3", "region"}, nil},
		{"cached", []string{"cacheTo", "0", "s3", "name"}, nil},
		{"cached", []string{"cacheTo", "0", "s3", "endpointUrl"}, "https://known"},
		{"login", []string{"contextHash"}, steps["first"].input("contextHash")},
		{"last", []string{"labels", "place"}, nil},
		{"last", []string{"labels", "recipe"}, nil},
		{"last", []string{"labels", "shape"}, nil},
		{"last", []string{"labels", "through"}, nil},
		{"last", []string{"labels", "pinned"}, nil},
		{"last", []string{"labels", "hashed"}, nil},
	} {
		if c.known == nil {
			c.known = unknown
		}
		if got := steps[c.resource].input(c.path...); got != c.known {
			t.Errorf("the preview of %s has %v at %v, want %v", c.resource, got, c.path, c.known)
		}
	}

	succeeds(t, s.Up("--skip-preview"), "+ 12 created")
	if said, made := steps["last"].input("labels",
		"login"), resourcesByName(s)["login"].Outputs["digest"]; said != made {
		t.Errorf("with a login that it did not know the preview built %v, the update %v", said, made)
	}
	for _, tag := range []string{":src", ":place", ":recipe", ":shape", "/src:shape", ":login", ":through", ":pinned",
		":cached", ":last"} {
		if tagDigest(t, repository(t)+tag) == "" {
			t.Errorf("nothing was pushed to %s", tag)
		}
	}
	succeeds(t, s.Up("--expect-no-changes"), "12 unchanged")
}

// A preview builds although the repository does not exist yet. It shows errors and pushes nothing.
func TestAPreviewBuildsWithUnknownTags(t *testing.T) {
	t.Parallel()
	registry := registrytest.New(t)
	files := map[string]string{"Dockerfile": "FROM BUSYBOX\nCOPY file /\nRUN cat /file\n", "file": "x"}
	s := open(t, program(t, `resources:
  first:
    type: buildkit:Image
    properties: { platforms: [linux/amd64], buildOnPreview: false, tags: ["`+registry.Host()+`/first:1"] }
  second:
    type: buildkit:Image
    properties: { platforms: [linux/amd64], push: true, tags: ["${first.repoDigest}:1"] }
outputs: { second: "${second.digest}" }
`, files))
	succeeds(t, s.Preview(), "exporting to image", "second: \"sha256:")
	must(t, s.Write("Dockerfile", "FROM "+shared.Base+"\nRUN echo last words; exit 9\n"))
	fails(t, s.Preview(), "exit code 9", "last words", "Dockerfile:2")
	for _, r := range registry.Requests() {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			t.Errorf("a preview sent %v", r)
		}
	}
}
