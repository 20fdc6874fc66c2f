package inputs

import (
	"fmt"

	"github.com/moby/buildkit/frontend/dockerfile/linter"
)

// ChecksError says that the frontend cannot read a value of BUILDKIT_DOCKERFILE_CHECK.
type ChecksError struct{ Value string }

func (e *ChecksError) Error() string {
	return fmt.Sprintf("%q is not a list of checks", e.Value)
}

// ValidateChecks returns a *ChecksError if the frontend cannot read a value of BUILDKIT_DOCKERFILE_CHECK.
func ValidateChecks(value string) error {
	if _, err := linter.ParseLintOptions(value); err != nil {
		return &ChecksError{Value: value}
	}
	return nil
}
