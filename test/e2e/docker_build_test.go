//go:build linux

package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// The alias of the schema reaches programs through their SDK. A YAML program has no SDK, so it says it itself.
//
// Without an alias the engine would delete the resource of docker-build, which deletes the image by its digest.
func TestAnImageOfDockerBuildIsTakenOver(t *testing.T) {
	t.Parallel()
	const image = `resources:
  image:
    type: buildkit:Image
    properties: { context: { location: . }, platforms: [linux/amd64], tags: ["REPO:1"], push: true }
`
	files := map[string]string{"Dockerfile": "FROM scratch\nCOPY file /\n", "file": "x"}
	s := open(t, program(t, image, files))
	succeeds(t, s.Up("--skip-preview"), "+ 2 created")
	digest := tagDigest(t, repository(t)+":1")
	becomeDockerBuild(t, s, digest)

	replaceProgram(t, s, program(t, image+`    options: { aliases: [{ type: "docker-build:index:Image" }] }
`, files))
	for _, result := range []stack.Result{s.Preview(), s.Up("--skip-preview")} {
		succeeds(t, result)
		for _, word := range []string{"created", "to create", "replace", "deleting"} {
			if strings.Contains(result.All(), word) {
				t.Errorf("it says %q:\n%s", word, result.All())
			}
		}
	}
	if fetchManifest(t, repository(t)+"@"+digest) == nil || tagDigest(t, repository(t)+":1") == "" {
		t.Error("the image of docker-build is gone")
	}
	taken := resourcesByName(s)["image"]
	if taken.Type != "buildkit:index:Image" || taken.Outputs["digest"] != tagDigest(t, repository(t)+":1") {
		t.Errorf("in the state: %+v", taken)
	}
	succeeds(t, s.Up("--expect-no-changes"))
}

// becomeDockerBuild replaces the only Image in the state by the one that docker-build would have.
func becomeDockerBuild(t *testing.T, s *stack.Test, digest string) {
	t.Helper()
	const provider, id = "urn:pulumi:dev::app::pulumi:providers:docker-build::default", "d1c95e69-e340-4460-bb03-f0a9e9c201e2"
	var exported struct {
		Version    int            `json:"version"`
		Deployment map[string]any `json:"deployment"`
	}
	must(t, json.Unmarshal([]byte(cli(t, s, "stack", "export").Stdout), &exported))
	resources, _ := exported.Deployment["resources"].([]any)
	repository, root := repository(t), ""
	for i, r := range resources {
		r, _ := r.(map[string]any)
		switch r["type"] {
		case "pulumi:pulumi:Stack":
			root, _ = r["urn"].(string)
		case "pulumi:providers:buildkit":
			resources[i] = dockerBuildResource(t, fmt.Sprintf(`{"urn": %q, "custom": true, "id": %q,
				"type": "pulumi:providers:docker-build", "inputs": {"host": ""}, "outputs": {"host": ""}}`, provider, id))
		case "buildkit:index:Image":
			const inputs = `"buildOnPreview": true, "context": {"location": "."},
				"dockerfile": {"inline": "", "location": "Dockerfile"}, "exec": false, "load": false,
				"network": "default", "noCache": false, "platforms": ["linux/amd64"], "pull": false, "push": true,
				"target": ""`
			tags := fmt.Sprintf(`"tags": [%q]`, repository+":1")
			resources[i] = dockerBuildResource(t, fmt.Sprintf(`{"custom": true, "id": %[1]q,
				"urn": "urn:pulumi:dev::app::docker-build:index:Image::image", "type": "docker-build:index:Image",
				"parent": %[2]q, "provider": %[3]q, "inputs": {%[4]s, %[5]s},
				"outputs": {%[4]s, %[5]s, "digest": %[1]q, "contextHash": "of docker-build", "ref": %[6]q}}`,
				digest, root, provider+"::"+id, inputs, tags, repository+":1@"+digest))
		}
	}
	text, err := json.Marshal(exported)
	must(t, err)
	must(t, s.Write("state.json", string(text)))
	cli(t, s, "stack", "import", "--file", "state.json")
	must(t, s.Write("state.json", ""))
}

func dockerBuildResource(t *testing.T, text string) (resource map[string]any) {
	t.Helper()
	must(t, json.Unmarshal([]byte(text), &resource))
	return resource
}
