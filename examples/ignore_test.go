//go:build linux

package examples

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

// otherwise has for every input of Image one value and another, in YAML.
var otherwise = map[string][2]string{
	"context":        {"{ location: src }", "{ location: other, named: { lib: { location: src } } }"},
	"dockerfile":     {"{ location: src/Dockerfile }", `{ inline: "FROM scratch\nCOPY . /all\n" }`},
	"platforms":      {"[linux/amd64]", "[linux/amd64, linux/arm64]"},
	"tags":           {`["REPO:1"]`, `["REPO:2", "REPO:3"]`},
	"push":           {"true", "false"},
	"buildOnPreview": {"false", "true"},
	"target":         {"one", "two"},
	"buildArgs":      {"{ A: a }", "{ A: b, B: c }"},
	"labels":         {"{ a: a }", `{ a: b, "x.y": c }`},
	"registries":     {"[{ address: 127.0.0.1, username: me, password: one }]", "[{ address: localhost, username: you, password: two }]"},
	"builder":        {"null", `{ endpoint: "unix:///nowhere/b.sock" }`},
	"watch":          {"auto", "all"},
	"pull":           {"false", "true"},
	"contextHash":    {"null", "by-hand"},
}

// inputs are those of Image in the schema, sorted.
func inputs(t testing.TB) []string {
	t.Helper()
	text, err := os.ReadFile("../schema.json")
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

// with is a program of one Image that has the first or the second value of every input.
func with(t testing.TB, second int, options string) string {
	t.Helper()
	var text strings.Builder
	text.WriteString("resources:\n  image:\n    type: buildkit:Image\n    options: " + options + "\n    properties:\n")
	for _, input := range inputs(t) {
		values, listed := otherwise[input]
		if !listed {
			t.Fatalf("the input %s has no two values in the table", input)
		}
		if values[second] != "null" {
			fmt.Fprintf(&text, "      %s: %s\n", input, values[second])
		}
	}
	return text.String()
}

// Whatever is in ignoreChanges stays as it is, contextHash too; without it every input of the image is seen.
func TestIgnoreChangesOnEveryInput(t *testing.T) {
	t.Parallel()
	files := map[string]string{"src/Dockerfile": "FROM scratch AS one\nCOPY file /\nFROM one AS two\n", "src/file": "1", "other/file": "2"}
	s := open(t, program(t, with(t, 0, "{}"), files))
	ok(t, s.Up("--skip-preview"), "+ 2 created")
	before := image(t, s)

	edit(t, s.Write("src/file", "3"))
	ignore := "{ ignoreChanges: [" + strings.Join(inputs(t), ", ") + "] }"
	rewrite(t, s, program(t, with(t, 1, ignore), nil))
	planned(t, previewed(t, s), map[string]string{})
	ok(t, s.Up("--expect-no-changes"), "2 unchanged")
	if after := image(t, s); fmt.Sprint(after.Outputs) != fmt.Sprint(before.Outputs) {
		t.Errorf("outputs: %v, were %v", after.Outputs, before.Outputs)
	}

	// One of them, the one that is computed.
	rewrite(t, s, program(t, with(t, 0, "{ ignoreChanges: [contextHash] }"), nil))
	ok(t, s.Preview("--expect-no-changes"))
	// A part of one.
	rewrite(t, s, program(t, strings.Replace(with(t, 0, `{ ignoreChanges: [contextHash, labels.a, "buildArgs['A']"] }`), "{ a: a }", "{ a: b, c: d }", 1), nil))
	step := previewed(t, s)["image"]
	if got := step.changes(); !slices.Equal(got, []string{"labels.c"}) {
		t.Errorf("with parts ignored, the preview shows %v, want labels.c", got)
	}
	ok(t, s.Destroy("--skip-preview"))
	if left := held(t, repository(t)+":1"); left != "" {
		t.Errorf("destroy left %s", left)
	}
}
