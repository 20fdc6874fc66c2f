//go:build linux

package languages

import (
	"encoding/json"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// property is the part of a property in the schema that the test reads.
type property struct {
	Ref                  string `json:"$ref"`
	Items                *property
	AdditionalProperties *property
}

type properties map[string]property

type schema struct {
	Provider  struct{ InputProperties properties }
	Resources map[string]struct{ InputProperties, Properties properties }
	Functions map[string]struct {
		Inputs struct{ Properties properties }
	}
	Types map[string]struct{ Properties properties }
}

// A new input, or a new member of one, fails this test until the programs use it.
func TestProgramsUseEveryInput(t *testing.T) {
	t.Parallel()
	want := everyInput(t)
	for file, spell := range map[string]func(string) string{
		"nodejs/index.ts":    func(name string) string { return `\b` + name + `: ` },
		"python/__main__.py": func(name string) string { return `\b` + snake(name) + `_?(": |=)` },
		"go/main.go":         func(name string) string { return `\b` + upper(name) + `:\s` },
		"dotnet/Program.cs":  func(name string) string { return `\b` + upper(name) + ` = ` },
		"java/App.java":      func(name string) string { return `\.` + name + `_?\(.` },
	} {
		text, err := os.ReadFile("testdata/inputs/" + file)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range slices.Sorted(maps.Keys(want)) {
			if got := len(regexp.MustCompile(spell(name)).FindAll(text, -1)); got < want[name] {
				t.Errorf("%s uses an input called %s %d times, the schema has %d: run make sdk", file, name, got,
					want[name])
			}
		}
	}
}

// everyInput returns how many inputs have each name, including members of members.
func everyInput(t *testing.T) map[string]int {
	t.Helper()
	text, err := os.ReadFile("../../../schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var s schema
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	counts := map[string]int{}
	s.count(s.Provider.InputProperties, counts)
	for _, r := range s.Resources {
		s.count(r.InputProperties, counts)
	}
	for _, f := range s.Functions {
		s.count(f.Inputs.Properties, counts)
	}
	if counts["contextHash"] != 1 || counts["bucket"] != 2 {
		t.Fatalf("the schema is not read as it should be: %v", counts)
	}
	return counts
}

func (s schema) count(inputs properties, counts map[string]int) {
	for name, p := range inputs {
		counts[name]++
		for p.Items != nil || p.AdditionalProperties != nil {
			if p.Items == nil {
				p.Items = p.AdditionalProperties
			}
			p = *p.Items
		}
		s.count(s.Types[strings.TrimPrefix(p.Ref, "#/types/")].Properties, counts)
	}
}

func upper(name string) string { return strings.ToUpper(name[:1]) + name[1:] }

var humpPattern = regexp.MustCompile(`([a-z])([A-Z])`)

func snake(name string) string {
	return strings.ToLower(humpPattern.ReplaceAllString(name, "${1}_${2}"))
}
