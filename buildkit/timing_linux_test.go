package buildkit_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// A solve says how long its base image, its files, its steps, its layers and its push took.
func TestTimingOfASolve(t *testing.T) {
	t.Parallel()
	b := newTestBuilder(t)
	r := registrytest.New(t)
	base := r.Host() + "/base:1"
	r.Push(t, "base:1", registrytest.Image(t, "linux/amd64"))
	later := func(w http.ResponseWriter, req *http.Request, next http.Handler) {
		<-time.After(time.Second)
		next.ServeHTTP(w, req)
	}
	r.Inject(registrytest.Rule{Method: http.MethodGet, Path: "/base/blobs/", Fault: later})
	r.Inject(registrytest.Rule{Method: http.MethodPut, Path: "/image/blobs/uploads/", Fault: later})
	plan := inlinePlan(t.TempDir(), "FROM "+base+" AS first\nCOPY a /\nFROM first\nCOPY a b")
	plan.Platforms = []string{"linux/amd64"}
	writeAlike(t, plan.Files.Context, map[string]string{"a": t.Name()})
	plan.Repositories = []string{r.Host() + "/image"}
	in, err := inputs.Load(t.Context(), plan)
	if err != nil {
		t.Fatal(err)
	}
	access := buildkit.Access{Credentials: noCredentials}
	built, err := buildkit.Solve(t.Context(), b.c, plan, in, access, func(buildkit.Event) {})
	if err != nil {
		t.Fatal(err)
	}
	copied := buildkit.Step{Position: "first 2/2", Command: "COPY a /"}
	for want, atLeast := range map[buildkit.PhaseTime]time.Duration{
		{Phase: buildkit.PullingBase, What: base, Host: r.Host()}:                   time.Second,
		{Phase: buildkit.PushingLayers, What: plan.Repositories[0], Host: r.Host()}: time.Second,
		{Phase: buildkit.SendingFiles, What: plan.Files.Context}:                    1,
		{Phase: buildkit.CompressingLayers}:                                         1,
		{Phase: buildkit.RunningStep, Step: copied}:                                 1,
	} {
		found := buildkit.PhaseTime{}
		for _, p := range built.Timing.Phases {
			if p.Phase == want.Phase && p.What == want.What && p.Host == want.Host && p.Step == want.Step {
				found = p
			}
		}
		if found.Took < atLeast {
			t.Errorf("%+v took %v, want %v or more", want, found.Took, atLeast)
		}
	}
	refuse := registrytest.Status(http.StatusForbidden, "DENIED", "no", "")
	r.Inject(registrytest.Rule{Path: "/image/", Fault: refuse})
	failed, err := buildkit.Solve(t.Context(), b.c, plan, in, access, func(buildkit.Event) {})
	if err == nil || len(failed.Timing.Phases) == 0 {
		t.Errorf("a solve that failed: %v, %+v", err, failed)
	}
	if t.Failed() || built.Timing.OtherSteps != 0 {
		t.Errorf("got %+v", built.Timing)
	}
}
