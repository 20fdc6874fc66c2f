package buildkit_test

import (
	"context"
	"strings"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
)

// A tag that moves between the lookup and the build changes nothing: the build takes the digest that was looked up.
// That holds for the frontend of this process and for that of the daemon.
func TestBaseImageByDigest(t *testing.T) {
	t.Parallel()
	s := newStepBuilder(t)
	base := func(text string) (digest, ref string) {
		t.Helper()
		built, err := s.solve(t.Context(), s.plan(t, "RUN echo "+text+" >/base"), buildkit.Access{})
		if err != nil {
			t.Fatal(err)
		}
		return built.Digest, s.tag(t, built, "base")
	}
	first, ref := base("first")
	base("second")
	plan := s.plan(t, "")
	plan.Files.Inline = []byte("FROM " + ref + "\nRUN cp /base /copy\n")
	plan.BaseDigests = map[string]string{ref: first}
	built, err := s.solve(t.Context(), plan, buildkit.Access{})
	if err != nil {
		t.Fatal(err)
	}
	if got := s.fileContent(t, built, "copy"); got != "first\n" {
		t.Errorf("the base is the %s", got)
	}
	// The daemon's own frontend.
	plan.Provenance = "min"
	if built, err = s.solve(t.Context(), plan, buildkit.Access{}); err != nil {
		t.Fatal(err)
	}
	if record := s.attestations(t, built)[slsa]; !strings.Contains(record, strings.TrimPrefix(first, "sha256:")) {
		t.Errorf("the base is another one than %s: %s", first, record)
	}
}

// Layers of a base image are mounted before a push, and for nothing else: not for a solve that makes no image, such as
// that of test targets and caches.
func TestBaseLayersAreMountedForAPush(t *testing.T) {
	t.Parallel()
	s := newStepBuilder(t)
	built, err := s.solve(t.Context(), s.plan(t, "RUN echo base >/base"), buildkit.Access{})
	if err != nil {
		t.Fatal(err)
	}
	host, _, _ := strings.Cut(s.repository, "/")
	for _, pushes := range []bool{true, false} {
		plan := inlinePlan(t.TempDir(), "FROM "+s.repository+"@"+built.Digest+"\nCOPY <<EOF /text\ntext\nEOF\n")
		plan.Repositories, plan.WithoutImage = []string{host + "/other"}, !pushes
		var bases []buildkit.BaseImage
		access := buildkit.Access{MountBases: func(_ context.Context, b []buildkit.BaseImage) { bases = b }}
		if _, err := s.solve(t.Context(), plan, access); err != nil {
			t.Fatal(err)
		}
		if mounted := len(bases) == 1 && bases[0].Digest == built.Digest; mounted != pushes || !pushes && bases != nil {
			t.Errorf("push %t: layers are mounted of %v", pushes, bases)
		}
	}
}
