package buildkit

import (
	"errors"
	"regexp"
	"slices"
	"strings"

	gateway "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/solver/errdefs"
	"github.com/opencontainers/go-digest"
	"google.golang.org/grpc/status"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
)

// explain turns the daemon's error of a solve into a *PushError, a *BaseImageError, a *StepError or, when it is about
// none of these, a *DaemonError.
func (s *stepTracker) explain(err error, plan inputs.Plan) error {
	said := innerMessage(err)
	if failure, ok := s.pushError(said, plan.Repositories); ok {
		return failure
	}
	state, excerpt := s.failedStep(err), s.redact.hide(excerptOf(err))
	if failure, ok := s.imageError(said, state); ok {
		failure.Excerpt = excerpt
		if failure.Platform == "" && len(plan.Platforms) == 1 {
			failure.Platform = plan.Platforms[0]
		}
		return failure
	}
	e := &StepError{
		Step: Step{Command: "Dockerfile"}, Excerpt: excerpt,
		Fault: classify(stepWordings, said), Reason: s.redact.hide(readableText(said)),
	}
	if state == nil && excerpt == "" {
		return &DaemonError{Fault: e.Fault, Text: e.Reason}
	}
	if state != nil {
		e.describe(state, err, s.redact)
	}
	return e
}

// describe fills in what is known of the step that failed with err.
func (e *StepError) describe(state *stepState, err error, redact *redaction) {
	e.Step = state.Step
	for _, line := range state.lastLines() { // again: colors may have been within a secret
		e.Output = append(e.Output, redact.hide(line))
	}
	var exit *gateway.ExitError
	if errors.As(err, &exit) && exit.ExitCode != gateway.UnknownExitStatus {
		e.ExitCode = int(exit.ExitCode)
		e.Fault = Unexplained // the words are about the process
	}
}

// pushError returns the failed push that the daemon's text is about. BuildKit's exporter writes "failed to push", the
// name that it was given and the cause (exporter/containerimage/export.go).
func (s *stepTracker) pushError(said string, repositories []string) (*PushError, bool) {
	about, ok := strings.CutPrefix(said, "failed to push ")
	if !ok {
		return nil, false
	}
	for _, repository := range repositories {
		rest, ok := strings.CutPrefix(about, repository)
		if name, text, cut := strings.Cut(rest, ": "); ok && cut && (name == "" || name[0] == '@' || name[0] == ':') {
			return &PushError{Repository: repository, Text: s.redact.hide(text)}, true
		}
	}
	return nil, false
}

// imageError returns the image that the builder did not get: that of the step, or of a step whose error is a part of
// the daemon's text.
func (s *stepTracker) imageError(said string, state *stepState) (*BaseImageError, bool) {
	if state != nil {
		if ref := fromStep.FindStringSubmatch(state.name); ref != nil && ref[1] != "scratch" {
			return s.newImageError(ref[1], said, state), true
		}
	}
	for _, state := range s.seen {
		about, ok := describeResolve(state.name)
		if ok && state.failure != "" && strings.Contains(said, innerText(state.failure)) {
			return s.newImageError(about.base, innerText(state.failure), state), true
		}
	}
	return nil, false
}

func (s *stepTracker) newImageError(ref, said string, state *stepState) *BaseImageError {
	e := &BaseImageError{
		Ref: ref, Platform: state.Platform, Frontend: strings.HasPrefix(state.name, frontendPrefix),
		Fault: classify(imageWordings, said), Text: s.redact.hide(readableText(said)),
	}
	if m := internalPlatform.FindStringSubmatch(state.name); m != nil {
		e.Platform = m[1]
	}
	return e
}

// internalPlatform is how BuildKit's frontend names the platform of a step that asks for a base image, when there are
// several: [linux/arm64 internal] load metadata for X
var internalPlatform = regexp.MustCompile(`^\[([a-z0-9]+/\S+) internal\] `)

// failedStep is the step that the error names or, when it names none, the only one that failed.
func (s *stepTracker) failedStep(err error) *stepState {
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
	return slices.MaxFunc(failed, func(a, b *stepState) int { return len(a.output.lines) - len(b.output.lines) })
}

func excerptOf(err error) string {
	var b strings.Builder
	for _, src := range errdefs.Sources(err) {
		_ = src.Print(&b) // a strings.Builder does not fail
	}
	return b.String()
}

// innerMessage returns the text of an error that came through gRPC, without the layers that each say "failed to".
func innerMessage(err error) string {
	if st, ok := status.FromError(err); ok {
		return innerText(st.Message())
	}
	return innerText(err.Error())
}

// outerLayers are what BuildKit's packages put before each other's errors. The one about a cache key stands before any
// error of a source, such as a git server that does not answer (solver/edge.go).
var outerLayers = []string{
	"failed to run Build function: ", "failed to solve: ", "failed to load cache key: ", "rpc error: code = Unknown desc = ",
}

// innerText returns a text of the daemon's without the layers that each say "failed to".
func innerText(text string) string {
	for _, layer := range outerLayers {
		text = strings.ReplaceAll(text, layer, "")
	}
	return text
}

var (
	// failedRequest is a request of the daemon's; its URL may be signed.
	failedRequest = regexp.MustCompile(`failed to do request: \w+ "https?://([^/"]+)[^"]*": `)
	// missingSource is what a daemon says of a source of COPY or ADD, with names before it that only it knows.
	missingSource = regexp.MustCompile(
		`(?:failed to compute cache key: )?failed to calculate checksum of ref \S+ ("[^"]*"): not found`)
)

// readableText returns the daemon's text without what only a daemon understands.
func readableText(text string) string {
	text = missingSource.ReplaceAllString(text, "$1 is not there")
	return failedRequest.ReplaceAllString(text, "$1 does not answer: ")
}
