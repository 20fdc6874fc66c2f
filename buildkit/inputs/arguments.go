package inputs

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/linter"
)

// Build arguments that BuildKit acts on, whether a Dockerfile declares them or not
// (https://github.com/moby/buildkit/blob/master/frontend/dockerfile/docs/reference.md#buildkit-built-in-build-args).
const (
	inlineCacheArg   = "BUILDKIT_INLINE_CACHE"
	multiPlatformArg = "BUILDKIT_MULTI_PLATFORM"
	syntaxArg        = "BUILDKIT_SYNTAX"

	// ownFrontend is the value of BUILDKIT_SYNTAX that asks for the frontend of the daemon, whatever # syntax= says.
	ownFrontend = "dockerfile.v0"
)

// IsIndex tells whether the image is an index (manifest list).
func (p Plan) IsIndex() bool {
	return len(p.Platforms) > 1 || p.hasAttestations() || p.isTrueArg(multiPlatformArg)
}

// HasInlineCache tells whether the image is to hold a cache of its own: BUILDKIT_INLINE_CACHE.
func (p Plan) HasInlineCache() bool { return p.isTrueArg(inlineCacheArg) }

// servedSyntax is the frontend that a build asks for and that this program has itself; false when there is none, or another.
func (p Plan) servedSyntax(dockerfile []byte) (string, bool) {
	syntax, asked := p.BuildArgs[syntaxArg]
	if !asked {
		return officialSyntax(dockerfile)
	}
	_, replaced := p.Files.Named[ownFrontend]
	return ownFrontend, IsOwnSyntax(syntax) && !replaced
}

// IsOwnSyntax tells whether a value of BUILDKIT_SYNTAX asks for the frontend that BuildKit has itself.
func IsOwnSyntax(value string) bool {
	words := strings.Fields(value)
	return len(words) > 0 && words[0] == ownFrontend
}

// isTrueArg tells whether a build argument is true. What is neither true nor false is false.
func (p Plan) isTrueArg(name string) bool {
	on, err := strconv.ParseBool(p.BuildArgs[name])
	return err == nil && on
}

// LintError is a value of BUILDKIT_DOCKERFILE_CHECK that says nothing to the frontend.
type LintError struct{ Value string }

func (e *LintError) Error() string {
	return fmt.Sprintf("%q is no list of checks, such as skip=JSONArgsRecommended;error=true", e.Value)
}

// CheckLint returns a *LintError when the frontend cannot read a value of BUILDKIT_DOCKERFILE_CHECK.
func CheckLint(value string) error {
	if _, err := linter.ParseLintOptions(value); err != nil {
		return &LintError{Value: value}
	}
	return nil
}
