package buildkit_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
)

// startedSteps returns the names of the steps that began.
func (s *stepBuilder) startedSteps() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for _, e := range s.events {
		if e.Kind == buildkit.Started {
			names = append(names, e.Step.Command)
		}
	}
	return strings.Join(names, "\n")
}

// The steps run and the export is written, without an image.
func TestWithoutAnImage(t *testing.T) {
	t.Parallel()
	const dockerfile = "FROM base AS test\nRUN echo tested\nFROM base\nRUN echo made >/made\n"
	localExport := func(dir string) buildkit.Export { return buildkit.Export{Type: "local", Dir: dir} }
	cases := map[string]struct {
		change func(p *inputs.Plan)
		export func(dir string) buildkit.Export
	}{
		"nothing": {},
		"files":   {export: localExport},
		"an archive": {export: func(dir string) buildkit.Export {
			return buildkit.Export{Type: "tar", Open: openFile(filepath.Join(dir, "made"))}
		}},
		"provenance":              {change: func(p *inputs.Plan) { p.Provenance = "max" }},
		"provenance of the files": {func(p *inputs.Plan) { p.Provenance = "max" }, localExport},
		"a cache for it": {
			change: func(p *inputs.Plan) { p.BuildArgs = map[string]string{"BUILDKIT_INLINE_CACHE": "1"} },
		},
		"an index of one platform": {
			change: func(p *inputs.Plan) { p.BuildArgs = map[string]string{"BUILDKIT_MULTI_PLATFORM": "1"} },
		},
		"annotations and an epoch": {
			change: func(p *inputs.Plan) { p.Annotations, p.Epoch = map[string]string{"a": "b"}, new(int64) },
		},
		"what an image was made of": {change: func(p *inputs.Plan) { p.WithoutImage = false }},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, dir := newStepBuilder(t), t.TempDir()
			plan, access := s.plan(t, dockerfile), buildkit.Access{}
			plan.Repositories, plan.WithoutImage, plan.TestTargets = nil, true, []string{"test"}
			if c.change != nil {
				c.change(&plan)
			}
			if c.export != nil {
				access.Exports = []buildkit.Export{c.export(dir)}
			}
			built, err := s.solve(t.Context(), plan, access)
			if err != nil {
				t.Fatal(err)
			}
			exported := strings.Contains(s.startedSteps(), "exporting to image")
			if exported == plan.WithoutImage || (built.Digest == "") != plan.WithoutImage {
				t.Errorf("digest %q after\n%s", built.Digest, s.startedSteps())
			}
			if !strings.Contains(s.startedSteps(), "RUN echo tested") ||
				!strings.Contains(s.startedSteps(), "RUN echo made") {
				t.Errorf("not all steps ran:\n%s", s.startedSteps())
			}
			if _, err := os.Stat(filepath.Join(dir, "made")); (err == nil) != (c.export != nil) {
				t.Errorf("what was asked for: %v", err)
			}
		})
	}
}

// A step that fails ends the build even if no image is made.
func TestFailingStepWithoutAnImage(t *testing.T) {
	t.Parallel()
	s := newStepBuilder(t)
	for _, dockerfile := range []string{"RUN exit 3", "FROM base AS test\nRUN exit 3\nFROM base"} {
		plan := s.plan(t, dockerfile)
		plan.Repositories, plan.WithoutImage = nil, true
		if strings.Contains(dockerfile, "test") {
			plan.TestTargets = []string{"test"}
		}
		if _, err := s.solve(t.Context(), plan, buildkit.Access{}); err == nil ||
			!strings.Contains(err.Error(), "exit code 3") {
			t.Errorf("%s: %v", dockerfile, err)
		}
	}
}
