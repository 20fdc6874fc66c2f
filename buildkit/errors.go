package buildkit

import (
	"fmt"
	"strings"
	"time"
)

// StepError is a step of the Dockerfile that failed, or a part of the Dockerfile that cannot be built. Its text has the
// platform, the step, the failure, the lines of the Dockerfile and the last lines that the step printed.
type StepError struct {
	Step     Step
	ExitCode int      // of the step's process; 0 if the process did not run
	NoMemory bool     // a process of the step was killed, most often because memory ran out
	Reason   string   // set if there is no exit code
	Fault    Fault    // what Reason says, if it is known
	Excerpt  string   // the Dockerfile around the step; "" if it is not known
	Output   []string // the last lines, 20 at most

	// MissingSecrets are the ids of secrets that the build asked for and the program did not give. BuildKit leaves out
	// the mount of a missing secret unless it is "required", and the step then fails for a reason of its own.
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

// exitKilled is the exit code of a shell whose command got SIGKILL.
const exitKilled = 137

// title names the step.
func (e *StepError) title() string {
	if e.Step.Position == "" {
		return e.Step.Command
	}
	return fmt.Sprintf("step [%s] %s", e.Step.Position, e.Step.Command)
}

// outcome says how the step failed.
func (e *StepError) outcome() string {
	switch {
	case e.ExitCode == exitKilled:
		return "exit code 137: killed, most often because memory ran out"
	case e.NoMemory:
		return fmt.Sprintf("exit code %d: memory ran out", e.ExitCode)
	case e.ExitCode != 0:
		return fmt.Sprintf("exit code %d", e.ExitCode)
	}
	return e.Reason
}

// PushError is a push that failed after the image was built.
type PushError struct {
	Repository string        // host/path, as in Plan.Repositories
	Text       string        // what the daemon says of it, most of it the registry's words; "" if it stalled
	Stalled    time.Duration // how long the registry did not answer before the push was ended; 0 if it did not stall
}

// Error names the repository and what the daemon says.
func (e *PushError) Error() string {
	if e.Stalled > 0 {
		return fmt.Sprintf("pushing to %s: no answer within %s", e.Repository, e.Stalled)
	}
	return fmt.Sprintf("pushing to %s: %s", e.Repository, e.Text)
}

// BaseImageError is an image that a build needs and the builder did not get. It is the image of FROM, COPY --from, RUN
// --mount=from or a named context, or a frontend.
type BaseImageError struct {
	Ref      string // canonical, such as "docker.io/library/alpine:3.20"
	Platform string // that was asked for, as "linux/arm64"; "" if the daemon chose it
	Frontend bool   // it is the image of a frontend
	Fault    Fault  // what Text says, if it is known
	Text     string // what the daemon says of it, some of it the registry's words
	Excerpt  string // the Dockerfile around the line that asks for it; "" if it is not known
}

// NotFound reports whether the registry said that it has no such image.
func (e *BaseImageError) NotFound() bool { return e.Fault == NotFound }

// Host returns the host of the registry.
func (e *BaseImageError) Host() string { return registryName(e.Ref) }

// Error names the image, what the daemon says and the Dockerfile's line. It names the platform if that was missing.
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

// DaemonError is a failure for which the daemon names no step, image or push.
type DaemonError struct {
	Fault Fault // what Text says, if it is known
	Text  string
}

// Error returns the daemon's text.
func (e *DaemonError) Error() string { return e.Text }

// OldDaemonError is a daemon that is too old for the build.
type OldDaemonError struct{ Text string }

// Error says what the daemon does not know.
func (e *OldDaemonError) Error() string { return e.Text }
