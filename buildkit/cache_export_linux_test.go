package buildkit_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/moby/buildkit/client"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// solveAndExport loads and solves a plan, and writes its caches.
func (s *stepBuilder) solveAndExport(
	ctx context.Context, plan inputs.Plan, access buildkit.Access,
) (buildkit.Built, []buildkit.CacheExport, error) {
	ctx, stop := context.WithTimeoutCause(ctx, caseLimit, errors.New("the build took too long"))
	defer stop()
	access.Credentials = noCredentials
	in, err := inputs.Load(ctx, plan)
	if err != nil {
		return buildkit.Built{}, nil, err
	}
	built, err := buildkit.Solve(ctx, s.c, plan, in, access, s.report)
	if err != nil {
		return built, nil, err
	}
	return built, buildkit.ExportCaches(ctx, s.c, plan, in, access, s.report), nil
}

// failureOf returns the errors of caches that were not written.
func failureOf(exports []buildkit.CacheExport) error {
	var all error
	for _, e := range exports {
		all = errors.Join(all, e.Err)
	}
	return all
}

// registryCache returns a cache in a registry, to write.
func registryCache(ref string) buildkit.Cache {
	return buildkit.Cache{Type: "registry", Options: map[string]string{
		"ref": ref, "mode": "max", "image-manifest": "true", "oci-mediatypes": "true",
	}}
}

// No step runs for the export: another daemon makes the image that was pushed of the cache, and runs no step either.
func TestExportRunsNoStep(t *testing.T) {
	t.Parallel()
	there := startSecondDaemon(t)
	for name, c := range exportCases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStepBuilder(t)
			plan, cache := s.plan(t, c.dockerfile), registryCache(registrytest.New(t).Host()+"/cache:app")
			writeAlike(t, plan.Files.Context, map[string]string{"a": t.Name()})
			if c.change != nil {
				c.change(s, &plan)
			}
			built := c.export(t, s, plan, cache)
			other := &stepBuilder{testBuilder: &testBuilder{c: there, repository: s.repository}}
			plan.NoCache, plan.NoCacheOf, plan.TestTargets = false, nil, nil
			c.access.CacheFrom = []buildkit.Cache{cache}
			again, err := other.solve(t.Context(), plan, c.access)
			if err != nil {
				t.Fatal(err)
			}
			if ran := other.uncachedSteps(); ran != "" {
				t.Errorf("the other daemon ran\n%s", ran)
			}
			if plan.Provenance == "" && again.Digest != built.Digest {
				t.Errorf("the cache makes %s, pushed was %s", again.Digest, built.Digest)
			}
		})
	}
}

// export builds the plan as often as the case says, and exports the cache each time. It returns the last build.
func (c exportCase) export(
	t *testing.T, s *stepBuilder, plan inputs.Plan, cache buildkit.Cache,
) (built buildkit.Built) {
	t.Helper()
	c.access.CacheTo = []buildkit.Cache{cache}
	for range max(1, c.times) {
		var exports []buildkit.CacheExport
		var err error
		built, exports, err = s.solveAndExport(t.Context(), plan, c.access)
		if err := errors.Join(err, failureOf(exports)); err != nil {
			t.Fatal(err)
		}
		if len(exports) != 1 || exports[0].Took == 0 || exports[0].Empty {
			t.Errorf("got %+v", exports)
		}
	}
	return built
}

// uncachedSteps returns the steps of the Dockerfile, but those of base images, that have run. A step whose result was
// cached ends once more, not cached, when the layer is fetched.
func (s *stepBuilder) uncachedSteps() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	cached := map[buildkit.Step]bool{}
	var names []string
	for _, e := range s.events {
		if e.Kind != buildkit.Finished || e.Step.Position == "" || strings.HasPrefix(e.Step.Command, "FROM") {
			continue
		}
		cached[e.Step] = cached[e.Step] || e.Cached
		if !cached[e.Step] {
			names = append(names, e.Step.Command)
		}
	}
	return strings.Join(names, "\n")
}

// A daemon that has removed a result runs no step for the export. Nothing is written.
func TestExportAfterTheDaemonWasPruned(t *testing.T) {
	t.Parallel()
	s, registry := newStepBuilder(t), registrytest.New(t)
	s.c = startSecondDaemon(t)
	plan := s.plan(t, "RUN sleep 20\nRUN "+random+" >/uuid")
	access := buildkit.Access{
		Credentials: noCredentials, CacheTo: []buildkit.Cache{registryCache(registry.Host() + "/cache:app")},
	}
	in, err := inputs.Load(t.Context(), plan)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := buildkit.Solve(t.Context(), s.c, plan, in, access, s.report); err != nil {
		t.Fatal(err)
	}
	if err := s.c.Prune(t.Context(), nil, client.PruneAll); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	exports := buildkit.ExportCaches(t.Context(), s.c, plan, in, access, s.report)
	repeated, ok := errors.AsType[*buildkit.RepeatedStepError](failureOf(exports))
	if !ok || !strings.HasPrefix(repeated.Step.Command, "RUN sleep 20") {
		t.Errorf("got %+v", exports)
	}
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("the step ran for %s", took)
	}
	for _, r := range registry.Requests() {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			t.Errorf("%s %s", r.Method, r.Path)
		}
	}
}

// An export of what a cache holds uploads nothing. It asks for each blob once.
func TestUnchangedExport(t *testing.T) {
	t.Parallel()
	s, registry := newStepBuilder(t), registrytest.New(t)
	plan := s.plan(t, "RUN "+random+" >/uuid")
	access := buildkit.Access{CacheTo: []buildkit.Cache{registryCache(registry.Host() + "/cache:app")}}
	export := func() (sent []string) {
		before := len(registry.Requests())
		_, exports, err := s.solveAndExport(t.Context(), plan, access)
		if err := errors.Join(err, failureOf(exports)); err != nil {
			t.Fatal(err)
		}
		asked := registry.Requests()[before:]
		t.Logf("%d requests in %s", len(asked), exports[0].Took)
		for _, r := range asked {
			if r.Method != http.MethodGet && r.Method != http.MethodHead {
				sent = append(sent, r.Method+" "+r.Path)
			}
		}
		if len(sent) == 0 && len(asked) > 8 {
			t.Errorf("%d requests", len(asked))
		}
		return sent
	}
	export()
	var sent []string
	for range 3 { // other tests prune the daemon, which may change what it knows of the steps
		if sent = export(); len(sent) == 0 {
			return
		}
	}
	t.Errorf("an unchanged cache was sent: %v", sent)
}

// A daemon that has every step from a cache, and has not fetched the layers, writes another cache: no step runs.
func TestExportOfImportedSteps(t *testing.T) {
	t.Parallel()
	s, caches := newStepBuilder(t), registrytest.New(t).Host()
	first, second := registryCache(caches+"/first:app"), registryCache(caches+"/second:app")
	plan := s.plan(t, "FROM base AS part\nRUN "+random+" >/part\n"+
		"FROM base\nCOPY --from=part /part /\nRUN "+random+" >/uuid")
	if _, exports, err := s.solveAndExport(
		t.Context(), plan, buildkit.Access{CacheTo: []buildkit.Cache{first}},
	); err != nil || failureOf(exports) != nil {
		t.Fatal(err, exports)
	}
	s.c = startSecondDaemon(t)
	plan.Repositories = []string{registrytest.New(t).Host() + "/elsewhere"}
	folder := buildkit.Cache{Type: "local", Options: map[string]string{"dest": t.TempDir(), "mode": "max"}}
	_, exports, err := s.solveAndExport(t.Context(), plan, buildkit.Access{
		CacheFrom: []buildkit.Cache{first}, CacheTo: []buildkit.Cache{first, folder, second},
	})
	if err := errors.Join(err, failureOf(exports)); err != nil || len(exports) != 3 {
		t.Fatal(err, exports)
	}
	if manifest := manifestOf(t, second); manifest != manifestOf(t, first) {
		t.Errorf("the second cache is %s", manifest)
	}
}

// manifestOf returns the digest of a cache in a registry.
func manifestOf(t *testing.T, c buildkit.Cache) string {
	t.Helper()
	ref, err := name.ParseReference(c.Options["ref"])
	if err != nil {
		t.Fatal(err)
	}
	found, err := remote.Head(ref, remote.WithContext(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	return found.Digest.String()
}
