package buildkit_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
)

// brokenSink panics when the daemon sends data.
type brokenSink struct{ buildkit.Sink }

func (brokenSink) Write([]byte) (int, error) { panic("in a sink") }
func (brokenSink) Abort() error              { return nil }

// A panic in a callback of the daemon, of BuildKit's client or of the status fails that build, with the reason. The
// next build succeeds.
//
// Each build has its own step, because a cached step asks for no secret. Each has its own client, because Solve closes
// the client of a build that does not end in time.
func TestAPanicEndsOneBuild(t *testing.T) {
	t.Parallel()
	asked := 0
	for name, broken := range map[string]buildkit.Access{
		"in a secret": {Secrets: map[string]buildkit.Secret{"a": func(context.Context) ([]byte, error) {
			if asked++; asked > 1 {
				panic("in a secret")
			}
			return []byte("value"), nil
		}}},
		"in a sink": {Exports: []buildkit.Export{{Type: "tar", Open: func(context.Context) (buildkit.Sink, error) {
			return brokenSink{}, nil
		}}}},
	} {
		s := newStepBuilder(t)
		if _, err := s.solve(t.Context(), s.planWithSecret(t), broken); err == nil ||
			!strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	s := newStepBuilder(t)
	plan := s.planWithSecret(t)
	in, err := inputs.Load(t.Context(), plan)
	if err != nil {
		t.Fatal(err)
	}
	access := secrets(map[string]string{"a": canary})
	access.Credentials = noCredentials
	_, err = buildkit.Solve(t.Context(), s.c, plan, in, access, func(buildkit.Event) { panic("in a report") })
	if _, ok := errors.AsType[*rescue.PanicError](err); !ok {
		t.Errorf("in a report: %v", err)
	}
	next := newStepBuilder(t)
	if _, err := next.solve(t.Context(), plan, secrets(map[string]string{"a": canary})); err != nil {
		t.Errorf("the next build: %v", err)
	}
}

func (s *stepBuilder) planWithSecret(t *testing.T) inputs.Plan {
	return s.plan(t, "RUN --mount=type=secret,id=a true")
}
