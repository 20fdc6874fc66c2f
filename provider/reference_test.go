package provider

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var ownVariable = regexp.MustCompile(`"(PULUMI_BUILDKIT_[A-Z_]+)"`)

// Variables that the provider sets for its own processes.
var internalVariables = map[string]bool{"PULUMI_BUILDKIT_FRONTEND_CHILD": true}

// The reference documents every environment variable of the provider that the code reads.
func TestReferenceOfVariables(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/reference.md")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	err = filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() && strings.HasPrefix(entry.Name(), ".") && entry.Name() != ".." {
			return filepath.SkipDir
		}
		if filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(path)
		for _, match := range ownVariable.FindAllSubmatch(text, -1) {
			found++
			if name := string(match[1]); !internalVariables[name] && !strings.Contains(string(page), "| `"+name+"` |") {
				t.Errorf("%s reads %s: add it to .tools/sdkgen/reference.yaml, and run make sdk", path, name)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if found < 5 {
		t.Errorf("only %d variables were found", found)
	}
}
