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

// Each claim of these pages names a test that exists.
func TestClaimsNameTests(t *testing.T) {
	t.Parallel()
	for page, least := range map[string]int{"security.md": 30, "comparison.md": 15} {
		text, err := os.ReadFile(filepath.Join("../../docs", page))
		if err != nil {
			t.Fatal(err)
		}
		found := testPattern.FindAllStringSubmatch(string(text), -1)
		if len(found) < least {
			t.Errorf("%s names only %d tests", page, len(found))
		}
		for _, m := range found {
			source, err := os.ReadFile(filepath.Join("../..", m[1]))
			if err != nil || !strings.Contains(string(source), "\nfunc "+m[2]+"(t *testing.T)") {
				t.Errorf("%s: %s has no %s: %v", page, m[1], m[2], err)
			}
		}
		for line := range strings.Lines(string(text)) {
			if strings.HasPrefix(line, "| ") && strings.Contains(line, "_test.go") != testPattern.MatchString(line) {
				t.Errorf("%s: not of the form `file: Test`: %s", page, line)
			}
		}
	}
}
