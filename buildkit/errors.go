package buildkit

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	gateway "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/solver/errdefs"
	"github.com/opencontainers/go-digest"
	"google.golang.org/grpc/status"
)

// StepError is a step of the Dockerfile that failed. Its text is all that a person needs: the platform, the step, what
// became of it, where it stands in the Dockerfile and the last lines that it printed.
type StepError struct {
	Step     Step
	ExitCode int      // of the step's process; 0 when it did not come to run
	Reason   string   // when there is no exit code
	Excerpt  string   // the Dockerfile around the step; "" when it is not known
	Output   []string // the last lines, 20 at most
}

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

// explain turns the error of a solve into the one of the step that failed, when there is such a step.
func (s *steps) explain(err error) error {
	state := s.failing(err)
	excerpt, reason := s.redact.text(excerptOf(err)), s.redact.text(plain(err))
	if state == nil && excerpt == "" {
		return errors.New(reason)
	}
	e := &StepError{Excerpt: excerpt, Reason: reason}
	if state == nil {
		e.Step.Command = "Dockerfile"
		return e
	}
	e.Step = state.Step
	for _, line := range state.last() { // again: colors may have been within a secret
		e.Output = append(e.Output, s.redact.text(line))
	}
	var exit *gateway.ExitError
	if errors.As(err, &exit) && exit.ExitCode != gateway.UnknownExitStatus {
		e.ExitCode = int(exit.ExitCode)
	}
	return e
}

// failing is the step that the error names or, when it names none, the only one that failed.
func (s *steps) failing(err error) *stepState {
	var vertex *errdefs.VertexError
	if errors.As(err, &vertex) {
		if state := s.seen[digest.Digest(vertex.GetDigest())]; state != nil {
			return state
		}
	}
	var failed []*stepState
	for _, state := range s.seen {
		if state.failed && state.Position != "" {
			failed = append(failed, state)
		}
	}
	if len(failed) == 0 {
		return nil
	}
	// Steps that were canceled because another one failed have failed too; only the culprit has printed something.
	return slices.MaxFunc(failed, func(a, b *stepState) int { return len(a.tail.lines) - len(b.tail.lines) })
}

func excerptOf(err error) string {
	var b strings.Builder
	for _, src := range errdefs.Sources(err) {
		_ = src.Print(&b) // a strings.Builder does not fail
	}
	return b.String()
}

// plain is the innermost text of an error that came through gRPC, without the layers that each say "failed to".
func plain(err error) string {
	text := err.Error()
	if st, ok := status.FromError(err); ok {
		text = st.Message()
	}
	for _, layer := range []string{"failed to run Build function: ", "failed to solve: ", "rpc error: code = Unknown desc = "} {
		text = strings.ReplaceAll(text, layer, "")
	}
	text = notThere.ReplaceAllString(text, "$1 is not there")
	if !strings.Contains(text, "failed to push") { // whose words package registry reads
		text = unanswered.ReplaceAllString(text, "$1 does not answer: ")
	}
	return text
}
