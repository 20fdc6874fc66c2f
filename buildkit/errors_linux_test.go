package buildkit_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// baseImageErrorCase is a case of TestBaseImageErrors.
type baseImageErrorCase struct {
	dockerfile string
	named      string
	want       buildkit.BaseImageError
}

// baseImageErrorCases returns the cases of TestBaseImageErrors, by name.
func baseImageErrorCases(r *registrytest.Registry) map[string]baseImageErrorCase {
	refuse := func(repository string, status int) string {
		r.Inject(registrytest.Rule{
			Path: "/v2/" + repository + "/", Fault: registrytest.Status(status, "X", "toomanyrequests: x", ""),
		})
		return r.Host() + "/" + repository + ":1"
	}
	none := r.Host() + "/none:1"
	refused, busy := refuse("refused", http.StatusForbidden), refuse("busy", http.StatusTooManyRequests)
	return map[string]baseImageErrorCase{
		"FROM": {"FROM " + none, "", buildkit.BaseImageError{Ref: none, Fault: buildkit.NotFound}},
		"COPY --from": {
			"FROM scratch\nCOPY --from=" + none + " / /", "",
			buildkit.BaseImageError{Ref: none, Fault: buildkit.NotFound},
		},
		"RUN --mount": {
			"FROM scratch\nRUN --mount=from=" + none + " x", "",
			buildkit.BaseImageError{Ref: none, Fault: buildkit.NotFound},
		},
		"a named context": {
			"FROM base", "docker-image://" + none, buildkit.BaseImageError{Ref: none, Fault: buildkit.NotFound},
		},
		"a frontend": {
			"# syntax=" + none + "\nFROM scratch", "",
			buildkit.BaseImageError{Ref: none, Fault: buildkit.NotFound, Frontend: true},
		},
		"another platform": {
			"FROM " + r.Host() + "/amd:1", "",
			buildkit.BaseImageError{Ref: r.Host() + "/amd:1", Fault: buildkit.NoPlatform},
		},
		"refused": {"FROM " + refused, "", buildkit.BaseImageError{Ref: refused, Fault: buildkit.Denied}},
		"busy":    {"FROM " + busy, "", buildkit.BaseImageError{Ref: busy, Fault: buildkit.RateLimited}},
	}
}

// The error names the image that the builder did not get and the fault, whichever instruction asks for the image.
func TestBaseImageErrors(t *testing.T) {
	t.Parallel()
	b, r := newTestBuilder(t), registrytest.New(t)
	r.Push(t, "amd:1", registrytest.Index(t, "linux/amd64"))
	cases := baseImageErrorCases(r)
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			plan := inlinePlan(t.TempDir(), c.dockerfile+"\n# toomanyrequests: 401 Unauthorized\n")
			plan.Platforms = []string{"linux/arm64"}
			if c.named != "" {
				plan.Files.Named = map[string]string{"base": c.named}
			}
			inputs, err := inputs.Load(t.Context(), plan)
			if err != nil {
				t.Fatal(err)
			}
			_, err = buildkit.Solve(
				t.Context(), b.c, plan, inputs, buildkit.Access{Credentials: noCredentials}, func(buildkit.Event) {},
			)
			got, ok := errors.AsType[*buildkit.BaseImageError](err)
			if !ok {
				t.Fatalf("%T: %v", err, err)
			}
			if got.Ref != c.want.Ref || got.Fault != c.want.Fault || got.Frontend != c.want.Frontend ||
				got.Host() != r.Host() {
				t.Errorf("got %+v", got)
			}
			if c.want.Fault == buildkit.NoPlatform && got.Platform != "linux/arm64" {
				t.Errorf("for %q", got.Platform)
			}
			if got.NotFound() != (c.want.Fault == buildkit.NotFound) ||
				!strings.Contains(err.Error(), c.want.Ref+": ") && got.Platform == "" {
				t.Errorf("got %v", err)
			}
		})
	}
}

// A push that fails is a *PushError with the name of its repository.
func TestPushError(t *testing.T) {
	t.Parallel()
	b, r := newTestBuilder(t), registrytest.New(t)
	r.Inject(registrytest.Rule{
		Method: http.MethodPut, Path: "/v2/app-2/manifests/",
		Fault: registrytest.Status(http.StatusForbidden, "DENIED", "not here", ""),
	})
	plan := inlinePlan(t.TempDir(), "FROM scratch\nCOPY a /")
	writeFile(plan.Files.Context+"/a", t.Name())
	plan.Repositories = []string{r.Host() + "/app", r.Host() + "/app-2"}
	inputs, err := inputs.Load(t.Context(), plan)
	if err != nil {
		t.Fatal(err)
	}
	_, err = buildkit.Solve(
		t.Context(), b.c, plan, inputs, buildkit.Access{Credentials: noCredentials}, func(buildkit.Event) {},
	)
	got, ok := errors.AsType[*buildkit.PushError](err)
	if !ok || *got != (buildkit.PushError{Repository: r.Host() + "/app-2", Text: "denied: not here"}) {
		t.Errorf("%T: %v", err, err)
	}
}

// The daemon's text about a source that cannot be fetched resembles that about a lost cache.
func TestMissingSourceIsNoLostCache(t *testing.T) {
	t.Parallel()
	s := newStepBuilder(t)
	_, err := s.solve(t.Context(), s.plan(t, "ADD http://127.0.0.1:1/a /"), buildkit.Access{})
	step, ok := errors.AsType[*buildkit.StepError](err)
	if !ok || step.Fault != buildkit.Unexplained || strings.Contains(err.Error(), "cache key") {
		t.Errorf("%T: %v", err, err)
	}
}

// A step of the Dockerfile may have the words of a step that resolves a base image. Its error is a *StepError.
func TestStepNamedLikeMetadataIsAStep(t *testing.T) {
	t.Parallel()
	s := newStepBuilder(t)
	_, err := s.solve(
		t.Context(), s.plan(t, "RUN echo load metadata for docker.io/library/a:1; exit 3"), buildkit.Access{},
	)
	step, ok := errors.AsType[*buildkit.StepError](err)
	if !ok || step.ExitCode != 3 || len(step.Output) != 1 {
		t.Errorf("%T: %v", err, err)
	}
}
