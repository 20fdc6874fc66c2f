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

// brokenSink panics when the daemon sends.
type brokenSink struct{ buildkit.Sink }

func (brokenSink) Write([]byte) (int, error) { panic("in a sink") }
func (brokenSink) Abort() error              { return nil }

// What a daemon and BuildKit's client call in goroutines of theirs may panic, and so may what follows the status: one build
// fails with the reason, and the next one succeeds.
func TestAPanicEndsOneBuild(t *testing.T) {
	t.Parallel()
	s := newSteps(t)
	plan := s.plan(t, "RUN --mount=type=secret,id=a true")
	asked := 0
	for name, broken := range map[string]buildkit.Access{
		"in a secret": {Secrets: map[string]buildkit.Secret{"a": func(context.Context) ([]byte, error) {
			if asked++; asked > 1 {
				panic("in a secret")
			}
			return []byte("value"), nil
		}}},
		"in a sink": {Exports: []buildkit.Export{{Type: "tar", Open: func(context.Context) (buildkit.Sink, error) { return brokenSink{}, nil }}}},
	} {
		if _, err := s.solve(t.Context(), plan, broken); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	in, err := inputs.Load(t.Context(), plan)
	if err != nil {
		t.Fatal(err)
	}
	_, err = buildkit.Solve(t.Context(), s.c, plan, in, buildkit.Access{Credentials: noCredentials}, func(buildkit.Event) { panic("in a report") })
	if _, ok := errors.AsType[*rescue.PanicError](err); !ok {
		t.Errorf("in a report: %v", err)
	}
	if _, err := s.solve(t.Context(), plan, secrets(map[string]string{"a": canary})); err != nil {
		t.Errorf("the next build: %v", err)
	}
}
