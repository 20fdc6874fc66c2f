//go:build linux

package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

// inputValues has two values for every input of Image, in YAML.
var inputValues = map[string][2]string{
	"context":         {"{ location: src }", "{ location: other, named: { lib: { location: src } } }"},
	"dockerfile":      {"{ location: src/Dockerfile }", `{ inline: "FROM scratch\nCOPY . /all\n" }`},
	"platforms":       {"[linux/amd64]", "[linux/amd64, linux/arm64]"},
	"tags":            {`["REPO:1"]`, `["REPO:2", "REPO:{hash}"]`},
	"push":            {"true", "false"},
	"pushTimeout":     {"100", "200"},
	"buildOnPreview":  {"false", "true"},
	"target":          {"one", "two"},
	"testTargets":     {"null", "[two]"},
	"buildArgs":       {"{ A: a }", "{ A: b, B: c }"},
	"labels":          {"{ a: a }", `{ a: b, "x.y": c }`},
	"annotations":     {"{ a: a }", `{ a: b, "x.y": c }`},
	"addHosts":        {`["a:127.0.0.1"]`, `["a:127.0.0.2"]`},
	"network":         {"none", "host"},
	"limits":          {"{ memory: 1g }", `{ memory: 2g, shmSize: 1m, ulimits: { nofile: "100" } }`},
	"noCache":         {"false", "true"},
	"ssh":             {"null", "[{ id: default, paths: [key] }]"},
	"sourceDateEpoch": {"1", "2"},
	"provenance":      {"null", "{ mode: max }"},
	"sbom":            {"null", "{ generator: docker/buildkit-syft-scanner:stable-1 }"},
	"secrets":         {"{ a: one }", "{ a: two, b: two }"},
	"secretSources":   {"{ c: { env: HOME } }", "{ c: { env: PATH }, d: { file: src/file } }"},
	"cacheFrom":       {"null", "[{ registry: { ref: localhost/cache } }]"},
	"cacheTo":         {"null", "[{ registry: { ref: localhost/cache, mode: max } }]"},
	"exports":         {"null", "[{ local: { dest: out } }]"},
	"load":            {"false", "true"},
	"registries": {"[{ address: 127.0.0.1, username: me, password: one }]",
		"[{ address: localhost, username: you, password: two }]"},
	"builder": {"null", `{ endpoint: "unix:///nowhere/b.sock" }`},
	"watch":   {"auto", "all"},
	"pull":    {"false", "true"},
	"baseDigests": {"null",
		`{ alpine: "sha256:0000000000000000000000000000000000000000000000000000000000000000" }`},
	"contextHash":                    {"null", "by-hand"},
	"allow":                          {"null", "[network.host]"},
	"noCacheFilter":                  {"null", "[one]"},
	"exec":                           {"false", "true"},
	"ignoreSecretsInDiffCalculation": {"null", "[a]"},
	"volatileArgs":                   {"null", "[A]"},
	"watchSecrets":                   {"null", "[a]"},
	"cacheMounts":                    {"null", "{ ref: localhost/mounts }"},
}

// inputNames returns the inputs of Image in the schema, sorted.
func inputNames(t testing.TB) []string {
	t.Helper()
	text, err := os.ReadFile("../../schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var schema struct {
		Resources map[string]struct{ InputProperties map[string]any }
	}
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	return slices.Sorted(maps.Keys(schema.Resources["buildkit:index:Image"].InputProperties))
}

// programWithInputs returns a program of one Image with the first or the second value of every input.
func programWithInputs(t testing.TB, second int, options string) string {
	t.Helper()
	var text strings.Builder
	text.WriteString("resources:\n  image:\n    type: buildkit:Image\n    options: " + options + "\n    properties:\n")
	for _, input := range inputNames(t) {
		values, listed := inputValues[input]
		if !listed {
			t.Fatalf("the input %s is new: give it two values in the table", input)
		}
		if values[second] != "null" {
			fmt.Fprintf(&text, "      %s: %s\n", input, values[second])
		}
	}
	return text.String()
}

// ignoreChanges keeps every input at once, contextHash alone, which the provider computes, and a part of an input.
func TestIgnoreChangesOnEveryInput(t *testing.T) {
	t.Parallel()
	files := map[string]string{"src/Dockerfile": "FROM scratch AS one\nCOPY file /\nFROM one AS two\n", "src/file": "1",
		"other/file": "2"}
	s := open(t, program(t, programWithInputs(t, 0, "{}"), files))
	succeeds(t, s.Up("--skip-preview"), "+ 2 created")
	before := image(t, s)

	must(t, s.Write("src/file", "3"))
	ignore := "{ ignoreChanges: [" + strings.Join(inputNames(t), ", ") + "] }"
	replaceProgram(t, s, program(t, programWithInputs(t, 1, ignore), nil))
	checkPlan(t, previewSteps(t, s), map[string]string{})
	succeeds(t, s.Up("--expect-no-changes"), "2 unchanged")
	if after := image(t, s); fmt.Sprint(after.Outputs) != fmt.Sprint(before.Outputs) {
		t.Errorf("outputs: %v, were %v", after.Outputs, before.Outputs)
	}

	// The computed input alone.
	replaceProgram(t, s, program(t, programWithInputs(t, 0, "{ ignoreChanges: [contextHash] }"), nil))
	succeeds(t, s.Preview("--expect-no-changes"))
	// A part of an input.
	parts := programWithInputs(t, 0, `{ ignoreChanges: [contextHash, labels.a, "buildArgs['A']"] }`)
	replaceProgram(t, s, program(t, strings.Replace(parts, " labels: { a: a }", " labels: { a: b, c: d }", 1), nil))
	step := previewSteps(t, s)["image"]
	if got := step.changedPaths(); !slices.Equal(got, []string{"labels.c"}) {
		t.Errorf("with parts ignored, the preview shows %v, want labels.c", got)
	}
}
