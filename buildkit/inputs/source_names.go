package inputs

import (
	"strings"

	"github.com/distribution/reference"
)

// Names of local sources, by which the frontend asks for them.
const (
	contextSource    = "context"
	dockerfileSource = "dockerfile"
)

// namedContextSource returns the local source of a named context. Its prefix keeps a context called "dockerfile" apart
// from the Dockerfile.
func namedContextSource(name string) string { return "named-" + name }

// isNamedSource tells whether a local source belongs to a named context.
func isNamedSource(source string) bool { return strings.HasPrefix(source, namedContextSource("")) }

// contextOfSource returns the name of the context of a local source; "" is the main context.
func contextOfSource(source string) string {
	if source == contextSource {
		return ""
	}
	return strings.TrimPrefix(source, namedContextSource(""))
}

// ContextName returns the form in which the frontend looks up a named context: docker.io/library/golang:latest becomes
// golang.
func ContextName(name string) (string, error) {
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return name, err
	}
	return strings.TrimSuffix(reference.FamiliarString(named), ":latest"), nil
}

// contextName does what ContextName does, for a name that was checked.
func contextName(name string) string {
	canonical, _ := ContextName(name)
	return canonical
}
