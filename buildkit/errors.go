package buildkit

import (
	"fmt"
	"strings"
	"time"
)

// StepError is a step of the Dockerfile that failed, or a part of the Dockerfile that cannot be built. Its text is all
// that a person needs: the platform, the step, what became of it, where it stands in the Dockerfile and the last lines
// that it printed.
type StepError struct {
	Step     Step
	ExitCode int      // of the step's process; 0 when it did not come to run
	Reason   string   // when there is no exit code
	Fault    Fault    // what Reason says, if it is known
	Excerpt  string   // the Dockerfile around the step; "" when it is not known
	Output   []string // the last lines, 20 at most

	// MissingSecrets are the ids of secrets that the build asked for and that were not given. Without "required" a
	// mount of one that is not there is left out, and the step fails in a way of its own.
	MissingSecrets []string
}

// Error returns the failure, its place and its output.
func (e *StepError) Error() string {
	var b strings.Builder
	if e.Step.Platform != "" {
		fmt.Fprintf(&b, "%s: ", e.Step.Platform)
	}
	fmt.Fprintf(&b, "%s: %s", e.title(), e.outcome())
	if e.Excerpt != "" {
		fmt.Fprintf(&b, "\n%s", strings.TrimRight(e.Excerpt, "\n"))
	}
	if len(e.Output) > 0 {
		fmt.Fprintf(&b, "\nlast output of the step:\n  %s", strings.Join(e.Output, "\n  "))
	}
	return b.String()
}

func (e *StepError) title() string {
	if e.Step.Position == "" {
		return e.Step.Command
	}
	return fmt.Sprintf("step [%s] %s", e.Step.Position, e.Step.Command)
}

func (e *StepError) outcome() string {
	switch {
	case e.ExitCode == 137:
		return "exit code 137: killed, most often because memory ran out"
	case e.ExitCode != 0:
		return fmt.Sprintf("exit code %d", e.ExitCode)
	}
	return e.Reason
}

// PushError is a push that failed after the image was built.
type PushError struct {
	Repository string        // host/path, as in Plan.Repositories
	Text       string        // what the daemon says of it, most of it the registry's words; "" when it stalled
	Stalled    time.Duration // how long the registry did not answer, before the push was ended; 0 when it did not stall
}

// Error names the repository and what the daemon says.
func (e *PushError) Error() string {
	if e.Stalled > 0 {
		return fmt.Sprintf("pushing to %s: no answer within %s", e.Repository, e.Stalled)
	}
	return fmt.Sprintf("pushing to %s: %s", e.Repository, e.Text)
}

// BaseImageError is an image that a build needs and the builder did not get: the one of FROM, COPY --from, RUN
// --mount=from or a named context, or a frontend.
type BaseImageError struct {
	Ref      string // canonical, such as "docker.io/library/alpine:3.20"
	Platform string // that was wanted, as "linux/arm64"; "" when the daemon chose it
	Frontend bool   // it is the image of a frontend
	Fault    Fault  // what Text says, if it is known
	Text     string // what the daemon says of it, some of it the registry's words
	Excerpt  string // the Dockerfile around the line that asks for it; "" when it is not known
}

// NotFound reports whether the registry said that it has no such image.
func (e *BaseImageError) NotFound() bool { return e.Fault == NotFound }

// Host returns the host of the registry.
func (e *BaseImageError) Host() string { return registryName(e.Ref) }

// Error names the image, the platform if the daemon had to find one, what the daemon says and the Dockerfile's line.
func (e *BaseImageError) Error() string {
	what := "base image "
	if e.Frontend {
		what = "frontend "
	}
	text := what + e.Ref
	if e.Fault == NoPlatform && e.Platform != "" {
		text += " for " + e.Platform
	}
	text += ": " + strings.TrimPrefix(e.Text, e.Ref+": ")
	if e.Excerpt != "" {
		text += "\n" + strings.TrimRight(e.Excerpt, "\n")
	}
	return text
}

// DaemonError is what the daemon says when it names no step, image or push.
type DaemonError struct {
	Fault Fault // what Text says, if it is known
	Text  string
}

// Error returns the daemon's text.
func (e *DaemonError) Error() string { return e.Text }
