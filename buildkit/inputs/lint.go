package inputs

import (
	"fmt"

	"github.com/moby/buildkit/frontend/dockerfile/linter"
)

// LintError is a value of BUILDKIT_DOCKERFILE_CHECK that the frontend cannot read.
type LintError struct{ Value string }

func (e *LintError) Error() string {
	return fmt.Sprintf("%q is not a list of checks", e.Value)
}

// CheckLint returns a *LintError when the frontend cannot read a value of BUILDKIT_DOCKERFILE_CHECK.
func CheckLint(value string) error {
	if _, err := linter.ParseLintOptions(value); err != nil {
		return &LintError{Value: value}
	}
	return nil
}
