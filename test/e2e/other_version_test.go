//go:build linux

package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// A state of another version of the provider, with additional and missing fields, causes no change.
func TestAStateOfAnotherVersion(t *testing.T) {
	t.Parallel()
	s := open(t, project(t, detailedImage, detailedFiles))
	succeeds(t, s.Up("--skip-preview"))
	var state map[string]any
	if err := json.Unmarshal([]byte(cli(t, s, "stack", "export").Stdout), &state); err != nil {
		t.Fatal(err)
	}
	for _, resource := range state["deployment"].(map[string]any)["resources"].([]any) {
		r := resource.(map[string]any)
		if r["type"] != "buildkit:index:Image" {
			continue
		}
		inputs, outputs := r["inputs"].(map[string]any), r["outputs"].(map[string]any)
		inputs["attestation"] = map[string]any{"mode": "later"}
		outputs["signature"] = map[string]any{"of": "later"}
		for _, earlier := range []string{"__builds", "manifests", "repoDigest"} {
			delete(outputs, earlier)
		}
	}
	text, err := json.Marshal(state)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "state.json")
	must(t, os.WriteFile(file, text, 0o600))
	cli(t, s, "stack", "import", "--file", file)

	succeeds(t, s.Preview("--expect-no-changes"))
	succeeds(t, s.Refresh("--skip-preview", "--expect-no-changes"))
	must(t, s.Write("src/file", "y"))
	succeeds(t, s.Up("--skip-preview"), "~ 1 updated")
	succeeds(t, s.Destroy("--skip-preview"), "- 2 deleted")
	if left := tagDigest(t, repository(t)+":1"); left != "" {
		t.Errorf("destroy left %s", left)
	}
}
