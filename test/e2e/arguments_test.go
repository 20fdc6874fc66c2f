//go:build linux

package e2e

import (
	"encoding/json"
	"strings"
	"testing"
)

// Arguments that BuildKit acts on are part of the image, in the preview too. An error about one names its path.
func TestArgumentsOfBuildKit(t *testing.T) {
	t.Parallel()
	with := func(arguments string) string {
		return "tags: [\"REPO:1\"]\nbuildArgs: { BUILDKIT_SYNTAX: dockerfile.v0, " + arguments + " }\n"
	}
	s := open(t, withDependent(t, with(`BUILDKIT_INLINE_CACHE: "1", BUILDKIT_MULTI_PLATFORM: "1"`)))
	const dockerfile = "# syntax=127.0.0.1:1/nobody/frontend\nFROM scratch\nMAINTAINER nobody\nCOPY file /\n"
	must(t, s.Write("src/Dockerfile", dockerfile))
	if said := previewSteps(t, s)["watcher"].input("labels", "digest"); said != unknown {
		t.Errorf("the preview said %v, and the cache in the image may be another one in the update", said)
	}
	succeeds(t, s.Up("--skip-preview"), "MaintainerDeprecated")
	outputs, index := resourcesByName(s)["image"].Outputs, fetchManifest(t, repository(t)+":1")
	if outputs["digest"] != index.Digest.String() || !index.MediaType.IsIndex() {
		t.Errorf("the output is %v, and the tag holds %v", outputs["digest"], index)
	}
	var config string
	manifests, err := index.ImageIndex()
	must(t, err)
	listed, err := manifests.IndexManifest()
	must(t, err)
	for _, m := range listed.Manifests {
		image, err := manifests.Image(m.Digest)
		must(t, err)
		text, err := image.RawConfigFile()
		must(t, err)
		config += string(text)
		manifest := outputs["manifests"].(map[string]any)["linux/amd64"].(map[string]any)
		if got := manifest["digest"]; got != m.Digest.String() {
			t.Errorf("manifests have %v, and the index %s", got, m.Digest)
		}
	}
	if !json.Valid([]byte(config)) || !strings.Contains(config, `"moby.buildkit.cache.v0"`) {
		t.Errorf("the only image has no cache: %s", config)
	}
	succeeds(t, s.Up("--expect-no-changes"))

	replaceProgram(t, s, withDependent(t, with(`BUILDKIT_DOCKERFILE_CHECK: "error=true"`)))
	fails(t, s.Preview(), "lint violation found for rules: MaintainerDeprecated")
	replaceProgram(t, s,
		withDependent(t, with(`BUILDKIT_ATTEST_PROVENANCE: "mode=max", BUILDKIT_DOCKERFILE_CHECK: strict`)))
	fails(t, s.Preview(), "buildArgs.BUILDKIT_ATTEST_PROVENANCE: ", "set provenance: { mode: max }",
		"buildArgs.BUILDKIT_DOCKERFILE_CHECK: ", `"strict" is not a list of checks`)
	replaceProgram(t, s, withDependent(t, with(`BUILDKIT_INLINE: "1"`)))
	succeeds(t, s.Preview(), "buildArgs.BUILDKIT_INLINE: neither BuildKit nor the Dockerfile knows this argument")
	succeeds(t, s.Destroy("--skip-preview"))
}
