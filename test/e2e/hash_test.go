//go:build linux

package e2e

import (
	"net/http"
	"strings"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

const hashTags = `
context: { location: . }
platforms: [linux/amd64, linux/arm64]
tags: ["REPO:{hash}", "REPO:NAME"]
buildOnPreview: false
`

// A second machine without state, cache and daemon finds the image that the first one pushed for the same files.
func TestAnotherMachineReusesTheImage(t *testing.T) {
	t.Parallel()
	registry := registrytest.New(t)
	files := map[string]string{"Dockerfile": "FROM scratch\nCOPY file /\n", "file": "one", ".dockerignore": "Pulumi*\n"}
	properties := strings.ReplaceAll(hashTags, "REPO", registry.Host()+"/team/app")
	named := func(name string) string { return strings.ReplaceAll(properties, "NAME", name) }
	first := open(t, project(t, named("one"), files))
	succeeds(t, first.Up("--skip-preview"), "+ 2 created")

	pushed := len(registry.Requests())
	second := open(t, project(t, named("other")+"builder: { endpoint: \"unix:///nowhere/b.sock\" }\n", files))
	succeeds(t, second.Up("--skip-preview"), "+ 2 created")
	one, other := image(t, first), image(t, second)
	if one.Outputs["digest"] != other.Outputs["digest"] || one.Outputs["ref"] != other.Outputs["ref"] {
		t.Errorf("the first machine has %v, the second %v", one.Outputs, other.Outputs)
	}
	for _, r := range registry.Requests()[pushed:] {
		if r.Method != http.MethodGet && r.Method != http.MethodHead && !strings.HasSuffix(r.Path, "/manifests/other") {
			t.Errorf("%s %s: only the second machine's own tag had to be written", r.Method, r.Path)
		}
	}
	succeeds(t, second.Up("--skip-preview", "--expect-no-changes"))

	must(t, second.Write("file", "two"))
	fails(t, second.Up("--skip-preview"), "no BuildKit daemon answers")
	succeeds(t, second.Destroy("--skip-preview"))
	succeeds(t, first.Refresh("--expect-no-changes"))
	succeeds(t, first.Destroy("--skip-preview"))
}
