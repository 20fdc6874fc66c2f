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

// explain turns the daemon's error of a solve into a *PushError, a *CacheSetupError, a *BaseImageError or a *StepError.
// It returns a *DaemonError if the error is about none of these.
func (s *stepTracker) explain(err error, plan inputs.Plan) error {
	text := innerMessage(err)
	if failure, ok := s.pushError(text, plan.Repositories); ok {
		return failure
	}
	if failure, ok := s.cacheSetupError(text); ok {
		return failure
	}
	state, excerpt := s.failedStep(err), s.redact.hide(excerptOf(err))
	if failure, ok := s.imageError(text, state); ok {
		failure.Excerpt = excerpt
		if failure.Platform == "" && len(plan.Platforms) == 1 {
			failure.Platform = plan.Platforms[0]
		}
		return failure
	}
	e := &StepError{
		Step: Step{Command: "Dockerfile"}, Excerpt: excerpt,
		Fault: classify(stepWordings, text), Reason: s.redact.hide(readableText(text)),
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
	for _, line := range state.lastLines() {
		e.Output = append(e.Output, redact.hide(line)) // a second time: escape sequences may have split a secret
	}
	var exit *gateway.ExitError
	if errors.As(err, &exit) && exit.ExitCode != gateway.UnknownExitStatus {
		e.ExitCode = int(exit.ExitCode)
		e.Fault = Unexplained // the text is about the process
		e.NoMemory = e.ExitCode == exitKilled || strings.HasSuffix(innerMessage(err), outOfMemory)
	}
}

// outOfMemory is the end of the daemon's text if the kernel killed a process of the step because memory ran out. The
// daemon knows that with cgroup version 2 only (executor/runcexecutor/executor_linux.go).
const outOfMemory = ": cannot allocate memory"

// pushError returns the failed push that the daemon's text is about. ok is false for any other text.
//
// BuildKit's exporter writes "failed to push", the name that it was given and the cause
// (exporter/containerimage/export.go).
func (s *stepTracker) pushError(text string, repositories []string) (failure *PushError, ok bool) {
	push, ok := strings.CutPrefix(text, "failed to push ")
	if !ok {
		return nil, false
	}
	for _, repository := range repositories {
		rest, ok := strings.CutPrefix(push, repository)
		suffix, cause, hasCause := strings.Cut(rest, ": ")
		if ok && hasCause && (suffix == "" || suffix[0] == '@' || suffix[0] == ':') {
			return &PushError{Repository: repository, Text: s.redact.hide(cause)}, true
		}
	}
	return nil, false
}

// imageError returns the image that the builder did not get. It is the image of the failed step, or of a step whose
// error is a part of the daemon's text. ok is false if the failure is about no image.
func (s *stepTracker) imageError(text string, state *stepState) (failure *BaseImageError, ok bool) {
	if state != nil {
		if ref := fromStep.FindStringSubmatch(state.name); ref != nil && ref[1] != "scratch" {
			return s.newImageError(ref[1], text, state), true
		}
	}
	for _, state := range s.seen {
		resolve, ok := describeResolve(state.name)
		if ok && state.failure != "" && strings.Contains(text, innerText(state.failure)) {
			return s.newImageError(resolve.base, innerText(state.failure), state), true
		}
	}
	return nil, false
}

func (s *stepTracker) newImageError(ref, text string, state *stepState) *BaseImageError {
	e := &BaseImageError{
		Ref: ref, Platform: state.Platform, Frontend: strings.HasPrefix(state.name, frontendPrefix),
		Fault: classify(imageWordings, text), Text: s.redact.hide(readableText(text)),
	}
	if m := internalPlatform.FindStringSubmatch(state.name); m != nil {
		e.Platform = m[1]
	}
	return e
}

// internalPlatform matches the platform in the name of a step that asks for a base image. BuildKit's frontend names it
// if there are several platforms: [linux/arm64 internal] load metadata for X
var internalPlatform = regexp.MustCompile(`^\[([a-z0-9]+/\S+) internal\] `)

// failedStep returns the step that the error names. If it names none, failedStep returns the failed step with the most
// output; nil if no step failed.
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
	// Steps that were canceled because another one failed have failed too. Only the first failure has output.
	return slices.MaxFunc(failed, func(a, b *stepState) int { return len(a.output.lines) - len(b.output.lines) })
}

// excerptOf returns the lines of the Dockerfile that the daemon's error comes with.
func excerptOf(err error) string {
	var b strings.Builder
	for _, src := range errdefs.Sources(err) {
		_ = src.Print(&b) // a strings.Builder does not fail
	}
	return b.String()
}

// innerMessage returns the text of an error that came through gRPC, without its outerLayers.
func innerMessage(err error) string {
	if st, ok := status.FromError(err); ok {
		return innerText(st.Message())
	}
	return innerText(err.Error())
}

// outerLayers are the texts that BuildKit's packages put before each other's errors. The one about a cache key comes
// before any error of a source, such as a git server that does not answer (solver/edge.go).
var outerLayers = []string{
	"failed to run Build function: ",
	"failed to solve: ",
	"failed to load cache key: ",
	"rpc error: code = Unknown desc = ",
}

// innerText returns a text of the daemon without its outerLayers.
func innerText(text string) string {
	for _, layer := range outerLayers {
		text = strings.ReplaceAll(text, layer, "")
	}
	return text
}

var (
	// failedRequest matches a request of the daemon. Its URL may be signed.
	failedRequest = regexp.MustCompile(`failed to do request: \w+ "https?://([^/"]+)[^"]*": `)
	// missingSource matches the daemon's text about a source of COPY or ADD. The names before it mean something to the
	// daemon only.
	missingSource = regexp.MustCompile(
		`(?:failed to compute cache key: )?failed to calculate checksum of ref \S+ ("[^"]*"): not found`)
)

// readableText returns the daemon's text without the parts that mean something to the daemon only.
func readableText(text string) string {
	text = missingSource.ReplaceAllString(text, "$1 is not there")
	return failedRequest.ReplaceAllString(text, "$1 does not answer: ")
}
