//go:build linux

package e2e

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// joined builds an image in the shared registry and one in another registry, and joins them. HOST is the other one.
const joined = `resources:
  amd64:
    type: buildkit:Image
    properties: { context: { location: src }, platforms: [linux/amd64], tags: ["REPO/amd64:1"] }
  arm64:
    type: buildkit:Image
    properties: { context: { location: src }, platforms: [linux/arm64], tags: ["HOST/arm64:1"] }
  both:
    type: buildkit:Index
    properties:
      tag: REPO/both:1
      sources: ["${amd64.ref}", "${arm64.repoDigest}", "HOST/extra:1"]
      annotations: { a: b }
outputs: { ref: "${both.ref}", arm64: "${both.manifests[\"linux/arm64\"].repoDigest}" }
`

// Images of two registries are joined, previewed and pulled as one. A new source is a change, a moved tag is drift, and
// a destroy leaves the images alone.
func TestIndexOfTwoRegistries(t *testing.T) {
	t.Parallel()
	other := newPrivateRegistry(t, "")
	other.Push(t, "extra:1", registrytest.Image(t, "linux/riscv64"))
	s := open(t, program(t, withHost(other.Host(), joined), fromScratchFiles))
	succeeds(t, s.Preview(), "+ 4 to create")
	succeeds(t, s.Up("--skip-preview"), "+ 4 created")
	ref := repository(t) + "/both:1"
	digest := tagDigest(t, ref)
	succeeds(t, s.Up("--expect-no-changes"), "4 unchanged")
	if got := platformsOf(t, ref); got != "linux/amd64 linux/arm64 linux/riscv64" {
		t.Errorf("the index holds %s", got)
	}
	outputs := cli(t, s, "stack", "output", "--json").Stdout
	says(t, stack.Result{Stdout: outputs}, ref+"@"+digest, repository(t)+"/both@sha256:")

	other.Push(t, "extra:1", registrytest.Image(t, "linux/riscv64"))
	succeeds(t, s.Preview("--diff"), "~ buildkit:index:Index: (update)", "~ "+other.Host()+"/extra:1: \"sha256:")
	succeeds(t, s.Up("--skip-preview"), "~ 1 updated")
	moved := tagDigest(t, ref)
	if moved == digest {
		t.Error("the tag did not move")
	}

	must(t, retag(repository(t)+"/amd64:1", ref))
	succeeds(t, s.Refresh("--diff"), "does not hold the index any more; pulumi up puts it back", "~ 1 updated")
	succeeds(t, s.Up("--skip-preview"), "~ 1 updated")
	if tagDigest(t, ref) != moved {
		t.Error("the update did not put the tag back")
	}
	succeeds(t, s.Destroy("--skip-preview"))
	if tagDigest(t, ref) != "" || fetchManifest(t, repository(t)+"/both@"+moved) == nil ||
		other.tagDigest(t, "extra:1") == "" {
		t.Error("after destroy the tag still exists, or an image is gone")
	}
}

// platformsOf returns the platforms of an index, in its order.
func platformsOf(t *testing.T, ref string) string {
	t.Helper()
	index, err := fetchManifest(t, ref).ImageIndex()
	must(t, err)
	manifest, err := index.IndexManifest()
	must(t, err)
	var all []string
	for _, m := range manifest.Manifests {
		all = append(all, m.Platform.String())
	}
	return strings.Join(all, " ")
}

// retag points a tag at what another one holds.
func retag(from, to string) error {
	source, err := name.NewTag(from)
	if err != nil {
		return err
	}
	target, err := name.NewTag(to)
	if err != nil {
		return err
	}
	held, err := remote.Get(source)
	if err != nil {
		return err
	}
	// The manifest is in another repository of the registry, and so are its layers.
	image, err := held.Image()
	if err != nil {
		return err
	}
	return remote.Write(target, image)
}

// The alias takes an index of docker-build over. Its tag stays where it is.
func TestAnIndexOfDockerBuildIsTakenOver(t *testing.T) {
	t.Parallel()
	registry := newPrivateRegistry(t, "")
	registry.Push(t, "amd64:1", registrytest.Image(t, "linux/amd64"))
	registry.Push(t, "arm64:1", registrytest.Image(t, "linux/arm64"))
	const index = `resources:
  app:
    type: buildkit:Index
    properties: { tag: "HOST/app:1", sources: ["HOST/amd64:1", "HOST/arm64:1"], push: true }
`
	s := open(t, program(t, withHost(registry.Host(), index), nil))
	succeeds(t, s.Up("--skip-preview"), "+ 2 created")
	digest := registry.tagDigest(t, "app:1")
	becomeIndexOfDockerBuild(t, s, registry.Host(), digest)
	replaceProgram(t, s, program(t, withHost(registry.Host(), index)+
		`    options: { aliases: [{ type: "docker-build:index:Index" }] }
`, nil))
	succeeds(t, s.Up("--skip-preview"), "~ 1 updated")
	if registry.tagDigest(t, "app:1") != digest {
		t.Error("the tag moved or is gone")
	}
	taken := resourcesByName(s)["app"]
	if taken.Type != "buildkit:index:Index" || taken.Outputs["digest"] != digest {
		t.Errorf("in the state: %+v", taken)
	}
	succeeds(t, s.Up("--expect-no-changes"))
}

// becomeIndexOfDockerBuild replaces the only Index in the state by the one that docker-build would have.
func becomeIndexOfDockerBuild(t *testing.T, s *stack.Test, host, digest string) {
	t.Helper()
	const provider = "urn:pulumi:dev::app::pulumi:providers:docker-build::default"
	const id = "d1c95e69-e340-4460-bb03-f0a9e9c201e2"
	var exported struct {
		Version    int            `json:"version"`
		Deployment map[string]any `json:"deployment"`
	}
	must(t, json.Unmarshal([]byte(cli(t, s, "stack", "export").Stdout), &exported))
	inputs := map[string]any{
		"tag": host + "/app:1", "push": true, "sources": []string{host + "/amd64:1", host + "/arm64:1"},
	}
	outputs := maps.Clone(inputs)
	outputs["ref"] = host + "/app:1@" + digest
	resources, _ := exported.Deployment["resources"].([]any)
	for _, r := range resources {
		r, _ := r.(map[string]any)
		switch r["type"] {
		case "pulumi:providers:buildkit":
			maps.Copy(r, map[string]any{
				"urn": provider, "id": id, "type": "pulumi:providers:docker-build",
				"inputs": map[string]any{"host": ""}, "outputs": map[string]any{"host": ""},
			})
		case "buildkit:index:Index":
			maps.Copy(r, map[string]any{
				"urn": "urn:pulumi:dev::app::docker-build:index:Index::app", "type": "docker-build:index:Index",
				"provider": provider + "::" + id, "inputs": inputs, "outputs": outputs,
			})
		}
	}
	text, err := json.Marshal(exported)
	must(t, err)
	must(t, s.Write("state.json", string(text)))
	cli(t, s, "stack", "import", "--file", "state.json")
	must(t, s.Write("state.json", ""))
}
