package buildkit_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// A push waits for BeginPush, which gets the layer and the configuration, and the image is what it would be without. A
// push whose daemon does not reach the gate waits for nobody. Nothing that the user sees names the gate.
func TestPushGate(t *testing.T) { //nolint:paralleltest // it moves the gates
	for _, reached := range []bool{true, false} {
		b := newTestBuilder(t)
		r := registrytest.New(t)
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "big"), noise(1<<20), 0o600); err != nil {
			t.Fatal(err)
		}
		plan := inlinePlan(dir, "FROM scratch\nCOPY big /\n")
		plan.Repositories, plan.NoCache = []string{r.Host() + "/app"}, !reached
		var sizes []int64
		s := &stepBuilder{testBuilder: b}
		access := buildkit.Access{BeginPush: func(_ context.Context, blobs []buildkit.Blob) {
			for _, blob := range blobs {
				sizes = append(sizes, blob.Size)
			}
			if asked := r.Requests(); len(asked) > 0 {
				t.Errorf("the push did not wait: %v", asked)
			}
			<-time.After(time.Second) // a daemon reports several times a second
			if s.hasPushed() {
				t.Error("the push is said to have begun")
			}
		}}
		restore := func() {}
		if !reached {
			restore = buildkit.MoveGates("127.83.66.1:1")
		}
		built, err := s.solve(t.Context(), plan, access)
		restore()
		if err != nil {
			t.Fatal(err)
		}
		if !s.hasPushed() {
			t.Errorf("gate reached %t: the push is not said to have begun", reached)
		}
		plan.NoCache = false
		plain, err := s.solve(t.Context(), plan, buildkit.Access{})
		if err != nil || plain.Digest != built.Digest {
			t.Errorf("without a gate the image is %v, %v; with one it is %v", plain, err, built)
		}
		slices.Sort(sizes)
		isImage := len(sizes) == 2 && sizes[0] > 0 && sizes[0] < 10<<10 && sizes[1] > 1<<20
		if reached != isImage || !reached && len(sizes) > 0 {
			t.Errorf("gate reached %t: the push has blobs of %d bytes", reached, sizes)
		}
		for _, e := range s.events {
			if strings.Contains(e.Text+e.Step.Command, "127.83.66.1") {
				t.Errorf("gate reached %t: an event names the gate: %v", reached, e)
			}
		}
	}
}

// hasPushed tells whether an event says that a push has begun.
func (s *stepBuilder) hasPushed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.events, func(e buildkit.Event) bool { return e.Kind == buildkit.Pushing })
}

// A solve that is canceled while its push waits ends at once, after BeginPush has returned.
func TestCancelWhileAPushWaits(t *testing.T) {
	t.Parallel()
	s := &stepBuilder{testBuilder: newTestBuilder(t)}
	plan := inlinePlan(t.TempDir(), "FROM scratch\nCOPY <<EOF /text\ntext\nEOF\n")
	plan.Repositories = []string{s.repository}
	ctx, cancel := context.WithCancelCause(t.Context())
	hasReturned := false
	_, err := s.solve(ctx, plan, buildkit.Access{BeginPush: func(ctx context.Context, _ []buildkit.Blob) {
		cancel(errors.New("nobody wants the image"))
		<-ctx.Done()
		hasReturned = true
	}})
	if !errors.As(err, new(*buildkit.StoppedError)) || !hasReturned {
		t.Errorf("got %v, BeginPush has returned: %t", err, hasReturned)
	}
}
