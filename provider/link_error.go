package provider

import (
	"errors"
	"fmt"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/file"
)

// linkError adds a remedy to an error about a link.
type linkError struct {
	cause  error
	remedy string
}

func (e *linkError) Error() string { return e.cause.Error() + ": " + e.remedy }

func (e *linkError) Unwrap() error { return e.cause }

// withTarget adds to an error about a link which input can name the target of the link. An error that has a remedy
// stays as it is.
func withTarget(err error, input string) error {
	link, ok := errors.AsType[*file.LinkError](err)
	if !ok {
		return err
	}
	instead := ", or link to a file in the project"
	if link.Socket {
		instead = ""
	}
	return withRemedy(err, fmt.Sprintf("nothing of it was read. Write the path of its target in %s%s", input, instead))
}

// withTargetOfBuild does the same for what a build opens: SSH keys and agents, and the files that it writes.
func withTargetOfBuild(err error) error {
	switch {
	case errors.As(err, new(*buildkit.AgentError)):
		return withTarget(err, "ssh.paths")
	case errors.As(err, new(*file.LinkError)):
		return withRemedy(err, "nothing was written. Write the path of its target in dest, or let the link lead "+
			"into the project")
	}
	return err
}

func withRemedy(err error, remedy string) error {
	if errors.As(err, new(*linkError)) {
		return err
	}
	return &linkError{cause: err, remedy: remedy}
}
