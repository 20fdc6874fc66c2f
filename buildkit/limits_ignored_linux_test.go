package buildkit_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
)

// pushFrontend pushes an image of the program testdata/frontend to the repository of the test. It returns the
// reference.
func (s *stepBuilder) pushFrontend(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags=-s -w", "-o",
		filepath.Join(dir, "frontend"), "./testdata/frontend") // the packages are compiled as those of make build
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	plan := inlinePlan(dir, "FROM scratch\nCOPY frontend /\nENTRYPOINT [\"/frontend\"]\n")
	plan.Repositories = []string{s.repository}
	return s.tag(t, s.mustBuild(t, plan), "frontend")
}

// A frontend that the Dockerfile names gets the limits. Solve warns of each one that the frontend does not know, in a
// failed build too.
func TestFrontendThatIgnoresLimits(t *testing.T) {
	t.Parallel()
	s := newStepBuilder(t)
	syntax := s.pushFrontend(t)
	for name, c := range map[string]struct {
		steps, drop, provenance string
		want                    int // steps without a limit
	}{
		"all are known":         {steps: "RUN true\nRUN echo"},
		"no memory":             {steps: "RUN true\nRUN echo", drop: "memory,cpuquota,cpuperiod", want: 2},
		"no size of /dev/shm":   {steps: "RUN true", drop: "shm-size", want: 1},
		"no ulimits":            {steps: "RUN true", drop: "ulimit", want: 1},
		"a failed step":         {steps: "RUN exit 1", drop: "memory,cpuquota,cpuperiod", want: 1},
		"no steps":              {steps: "COPY --from=base /bin/sh /", drop: "ulimit"},
		"provenance":            {steps: "RUN true", drop: "ulimit", provenance: "min", want: 1},
		"provenance, all known": {steps: "RUN true", provenance: "min"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStepBuilder(t)
			plan := s.plan(t, c.steps)
			plan.Files.Inline = append([]byte("# syntax="+syntax+"\n"), plan.Files.Inline...)
			plan.BuildArgs, plan.Provenance = map[string]string{"DROP": c.drop}, c.provenance
			plan.Limits = inputs.Limits{
				Memory: 64 << 20, CPUQuota: 50_000, ShmSize: 1 << 20, Ulimits: []string{"nofile=100:100"},
			}
			_, err := s.solve(t.Context(), plan, buildkit.Access{})
			if isFailure := c.steps == "RUN exit 1"; (err != nil) != isFailure {
				t.Fatal(err)
			}
			var want []buildkit.IgnoredLimitsError
			if c.want > 0 {
				want = []buildkit.IgnoredLimitsError{{Frontend: syntax, Steps: c.want}}
			}
			if got := s.ignoredLimits(); !slices.Equal(got, want) {
				t.Errorf("got the warnings %+v", got)
			}
		})
	}
}

// ignoredLimits returns the warnings of limits that a frontend left out.
func (s *stepBuilder) ignoredLimits() (found []buildkit.IgnoredLimitsError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.events {
		if ignored, ok := errors.AsType[*buildkit.IgnoredLimitsError](e.Warning); ok {
			found = append(found, *ignored)
		}
	}
	return found
}
