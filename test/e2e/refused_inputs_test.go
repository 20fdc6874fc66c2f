//go:build linux

package e2e

import (
	"strings"
	"testing"
)

// TestRefusedInputsAreNamed checks what a person sees: the path and the reason of each wrong value, and no value that
// the engine does not have.
func TestRefusedInputsAreNamed(t *testing.T) {
	t.Parallel()
	s := open(t, project(t, "context: { location: . }\ntags: [\"REPO:?\"]\naddHosts: [\"db\"]\npushTimeout: -1",
		map[string]string{"Dockerfile": "FROM scratch\n"}))
	result := s.Preview()
	fails(t, result, "resource 'image' has a problem: tags[0]: ", "resource 'image' has a problem: addHosts[0]: ",
		"property pushTimeout value {-1} has a problem: ")
	if strings.Contains(result.All(), "<nil>") {
		t.Errorf("it shows a missing value:\n%s", result.All())
	}
}
