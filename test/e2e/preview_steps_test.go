//go:build linux

package e2e

import (
	"encoding/json"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// step is what a preview shows for one resource.
type step struct {
	Op       string
	URN      string
	NewState struct {
		Type   string
		Inputs map[string]any
	}
	DetailedDiff map[string]struct{ Kind string }
}

// unknown is the engine's own text for a value that a preview does not know.
const unknown = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"

// previewSteps returns what pulumi preview plans, by the name of the resource. It leaves out the stack and the default
// provider.
func previewSteps(t testing.TB, s *stack.Test, args ...string) map[string]step {
	t.Helper()
	result := s.Preview(append([]string{"--json"}, args...)...)
	succeeds(t, result)
	var planned struct{ Steps []step }
	if err := json.Unmarshal([]byte(result.Stdout), &planned); err != nil {
		t.Fatalf("%v in what pulumi preview --json printed:\n%s", err, result.All())
	}
	steps := map[string]step{}
	for _, step := range planned.Steps {
		name := step.URN[strings.LastIndex(step.URN, "::")+2:]
		if step.NewState.Type != "pulumi:pulumi:Stack" && name != "default" {
			steps[name] = step
		}
	}
	return steps
}

// input returns the value at a path of keys and indexes in the planned inputs.
func (s step) input(path ...string) any {
	var value any = s.NewState.Inputs
	for _, key := range path {
		switch holder := value.(type) {
		case map[string]any:
			value = holder[key]
		case []any:
			i, _ := strconv.Atoi(key)
			value = holder[i]
		default:
			return nil
		}
	}
	return value
}

// changedPaths returns the paths in the detailed diff, sorted.
func (s step) changedPaths() []string { return slices.Sorted(maps.Keys(s.DetailedDiff)) }

// checkPlan checks that the preview plans exactly these operations.
func checkPlan(t testing.TB, steps map[string]step, want map[string]string) {
	t.Helper()
	got := map[string]string{}
	for name, step := range steps {
		got[name] = step.Op
	}
	if !maps.Equal(got, want) {
		t.Errorf("the preview plans %v, want %v", got, want)
	}
}

// replaceProgram replaces Pulumi.yaml of the stack.
func replaceProgram(t testing.TB, s *stack.Test, program fs.FS) {
	t.Helper()
	text, err := fs.ReadFile(program, "Pulumi.yaml")
	if err == nil {
		err = s.Write("Pulumi.yaml", string(text))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// resourcesByName returns the resources in the state.
func resourcesByName(s *stack.Test) map[string]stack.Resource {
	byName := map[string]stack.Resource{}
	for _, r := range s.Export() {
		byName[r.URN[strings.LastIndex(r.URN, "::")+2:]] = r
	}
	return byName
}

// tagDigest returns the digest behind a tag of the shared registry, or "" if there is no such tag.
func tagDigest(t testing.TB, reference string) string {
	t.Helper()
	if descriptor := fetchManifest(t, reference); descriptor != nil {
		return descriptor.Digest.String()
	}
	return ""
}

// withHost replaces HOST in a program.
func withHost(host, text string) string { return strings.ReplaceAll(text, "HOST", host) }
