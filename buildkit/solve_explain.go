package buildkit

import (
	"context"
	"errors"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
)

// explain returns the error that says most about a solve that failed with err: why it was stopped, which local file has
// changed, or which step failed.
func (s *solve) explain(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return s.stoppedError(context.Cause(ctx))
	}
	if bug, ok := errors.AsType[*rescue.PanicError](err); ok {
		return bug
	}
	if unreached := s.gate.errorOf(err); unreached != nil {
		return unreached
	}
	if lost, ok := errors.AsType[*LostDaemonError](err); ok {
		return s.stoppedError(lost)
	} else if silent := findStall(err); silent != nil {
		return silent
	}
	if local := s.files.Err(); local != nil {
		return s.inputs.WithIgnoreFile(local)
	}
	if unhashed := s.readGuard.err(); unhashed != nil {
		return unhashed
	}
	if unwritten := cacheIndexError(err); unwritten != nil {
		return unwritten
	}
	if wrong := s.inputs.EncodingError(err); wrong != nil {
		return wrong
	}
	explained := s.secrets.explain(s.steps.explain(err, s.plan))
	step, _ := errors.AsType[*StepError](explained)
	if lost := s.bases.err(); lost != nil && (step == nil || step.ExitCode == 0) { // else the step had all layers
		return lost
	}
	_, isDaemonError := errors.AsType[*DaemonError](explained)
	if isDaemonError && status.Code(err) == codes.Unavailable { // the daemon has ended
		return s.stoppedError(newLostDaemonError(err, s.steps.redact.hide))
	}
	return explained
}

// warnOfLogins warns of the URLs in the Dockerfile that have a login.
func (s *solve) warnOfLogins() {
	for _, location := range s.secrets.logins.urlsWithLogins() {
		s.steps.warn(&DockerfileLoginError{URL: location})
	}
}
