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
var testPattern = regexp.MustCompile("`([A-Za-z_/]+\\.go): (Test[A-Za-z]+)`")

// Each claim of security.md names a test that exists.
func TestSecurityClaimsNameTests(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	found := testPattern.FindAllStringSubmatch(string(page), -1)
	if len(found) < 30 {
		t.Errorf("only %d tests are named", len(found))
	}
	for _, m := range found {
		source, err := os.ReadFile(filepath.Join("../..", m[1]))
		if err != nil || !strings.Contains(string(source), "\nfunc "+m[2]+"(t *testing.T)") {
			t.Errorf("%s has no %s: %v", m[1], m[2], err)
		}
	}
	for line := range strings.Lines(string(page)) {
		if strings.HasPrefix(line, "| ") && strings.Contains(line, "_test.go") != testPattern.MatchString(line) {
			t.Errorf("not of the form `file: Test`: %s", line)
		}
	}
}
