//go:build linux

package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// testPattern matches a test that a page names, as `file: Test`.
var testPattern = regexp.MustCompile("`([A-Za-z0-9_/]+\\.go): (Test[A-Za-z]+)`")

// The claims of these pages name tests, in the form that another test reads to see that they exist.
func TestClaimsNameTests(t *testing.T) {
	t.Parallel()
	for page, least := range map[string]int{"security.md": 30, "comparison.md": 15} {
		text, err := os.ReadFile(filepath.Join("../../docs", page))
		if err != nil {
			t.Fatal(err)
		}
		if named := len(testPattern.FindAll(text, -1)); named < least {
			t.Errorf("%s names only %d tests", page, named)
		}
		for line := range strings.Lines(string(text)) {
			if strings.HasPrefix(line, "| ") && strings.Contains(line, "_test.go") != testPattern.MatchString(line) {
				t.Errorf("%s: not of the form `file: Test`: %s", page, line)
			}
		}
	}
}
