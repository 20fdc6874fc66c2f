package buildkit_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// baseAccess returns access to images that were built without a push, by their references in the repository of the
// test.
func (s *stepBuilder) baseAccess(images ...buildkit.Built) buildkit.Access {
	access := buildkit.Access{KeepUnpushed: true, UnpushedBases: map[string]*buildkit.UnpushedImage{}}
	for _, built := range images {
		access.UnpushedBases[s.repository+"@"+built.Digest] = built.Unpushed
	}
	return access
}

// solvePreview builds a plan without a push, and keeps the image. It solves again if the daemon drops a part of it.
func (s *stepBuilder) solvePreview(t *testing.T, plan inputs.Plan, access buildkit.Access) buildkit.Built {
	t.Helper()
	access.KeepUnpushed, plan.Repositories = true, nil
	for {
		built, err := s.solve(t.Context(), plan, access)
		if err != nil {
			t.Fatal(err)
		}
		if !built.Dropped {
			return built
		}
	}
}

// randomStep makes a file that is another one each time.
const randomStep = "RUN cat /proc/sys/kernel/random/uuid >/"

// The chain of a preview is built on images that no registry has. The update pushes the very same images: the builder
// runs no step again.
func TestBuildOnUnpushedImages(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*inputs.Plan){
		"plain":     func(*inputs.Plan) {},
		"old times": func(p *inputs.Plan) { p.Epoch = new(int64) },
		"zstd": func(p *inputs.Plan) {
			p.ImageOptions = map[string]string{"compression": "zstd", "force-compression": "true"}
		},
		"annotated": func(p *inputs.Plan) { p.Annotations = map[string]string{"a": "b"} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			checkUnpushedChain(t, change)
		})
	}
}

// checkUnpushedChain previews and pushes a chain of three images. change changes the plan of the first one.
func checkUnpushedChain(t *testing.T, change func(*inputs.Plan)) {
	t.Helper()
	s := newStepBuilder(t)
	texts := []string{
		"FROM " + s.base + "\nARG TEST=" + s.repository + "\nENV A=1\n" + randomStep + "base\nENV B=2",
		"FROM BASE\nENV C=3\n" + randomStep + "app\nRUN test -s /base -a $B = 2\n",
		"FROM BASE\nRUN test -s /base -a -s /app\n" + randomStep + "third\n",
	}
	build := func(i int, base string, access buildkit.Access) buildkit.Built {
		t.Helper()
		plan := s.plan(t, "")
		plan.Files.Inline = []byte(strings.ReplaceAll(texts[i], "BASE", s.repository+"@"+base))
		if i == 0 {
			change(&plan)
		}
		if access.KeepUnpushed {
			return s.solvePreview(t, plan, access)
		}
		built, err := s.solve(t.Context(), plan, access)
		if err != nil {
			t.Fatalf("image %d: %v", i, err)
		}
		return built
	}
	previewed, base := []buildkit.Built{}, ""
	for i := range texts {
		built := build(i, base, s.baseAccess(previewed...))
		if built.Unpushed == nil {
			t.Fatalf("image %d was not kept", i)
		}
		previewed, base = append(previewed, built), built.Digest
	}
	base = ""
	for i, want := range previewed {
		if got := build(i, base, buildkit.Access{}); got.Digest != want.Digest {
			t.Errorf("image %d of the update is %s, the preview said %s", i, got.Digest, want.Digest)
		}
		base = want.Digest
	}
}

// Each way to name a base image leads to an unpushed image.
func TestNamesOfUnpushedImages(t *testing.T) {
	t.Parallel()
	s := newStepBuilder(t)
	plan := s.plan(t, "RUN echo hello >/base")
	base := s.solvePreview(t, plan, buildkit.Access{})
	plan.Repositories = nil
	ref := s.repository + "@" + base.Digest
	for name, c := range map[string]struct {
		text   string
		change func(*inputs.Plan)
	}{
		"a digest":    {text: "FROM " + ref + "\nRUN grep hello /base\n"},
		"a tag":       {text: "FROM " + s.repository + ":1\nRUN grep hello /base\n"},
		"both":        {text: "FROM " + s.repository + ":1@" + base.Digest + "\nRUN grep hello /base\n"},
		"an argument": {"ARG X\nFROM $X\n", func(p *inputs.Plan) { p.BuildArgs = map[string]string{"X": ref} }},
		"a copy":      {text: "FROM scratch\nCOPY --from=" + ref + " /base /copy\n"},
		"a mount": {
			text: "FROM scratch\nRUN --mount=from=" + ref + ",target=/m [\"/m/bin/busybox\", \"cat\", \"/m/base\"]\n",
		},
		"the frontend of the daemon": {
			"FROM " + ref + "\nRUN grep hello /base\n", func(p *inputs.Plan) { p.Provenance = "max" },
		},
		"a pinned digest": {"FROM " + s.repository + ":2\n", func(p *inputs.Plan) {
			p.BaseDigests = map[string]string{s.repository + ":2": base.Digest}
		}},
		"a named context": {"FROM x\n", func(p *inputs.Plan) {
			p.Files.Named = map[string]string{"x": "docker-image://" + ref}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			plan := plan
			plan.Files.Inline = []byte(c.text)
			if c.change != nil {
				c.change(&plan)
			}
			access := s.baseAccess(base)
			access.UnpushedBases[s.repository+":1"] = base.Unpushed
			if _, err := s.solve(t.Context(), plan, access); err != nil {
				t.Error(err)
			}
			if _, err := s.solve(t.Context(), plan, buildkit.Access{}); err == nil {
				t.Error("it builds without the image too")
			}
		})
	}
}

// A base image whose layers the daemon never fetched cannot be used, and the error says so.
func TestALayerOfAnUnpushedImageThatTheDaemonLacks(t *testing.T) {
	t.Parallel()
	s := newStepBuilder(t)
	image := registrytest.LargeImage(t, "linux/amd64", 1000)
	ref, err := name.NewTag(s.repository + ":fetched-by-nobody")
	if err == nil {
		err = remote.Write(ref, image, remote.WithContext(t.Context()))
	}
	if err != nil {
		t.Fatal(err)
	}
	plan := s.plan(t, "")
	plan.Repositories, plan.Files.Inline = nil, []byte("FROM "+ref.Name()+"\nENV A=1\n")
	base := s.solvePreview(t, plan, buildkit.Access{})
	from := "FROM " + s.repository + "@" + base.Digest + "\n"
	plan.Files.Inline = []byte(from + "ENV C=3\n")
	if _, err := s.solve(t.Context(), plan, s.baseAccess(base)); err != nil {
		t.Errorf("for a build that needs no layer: %v", err)
	}
	plan.Files.Inline = []byte(from + "WORKDIR /work\n")
	_, err = s.solve(t.Context(), plan, s.baseAccess(base))
	manifest, _ := image.Manifest()
	digest := manifest.Layers[0].Digest
	if lost, ok := errors.AsType[*buildkit.LostLayerError](err); !ok || lost.Digest != digest.String() ||
		lost.Ref != s.repository+"@"+base.Digest {
		t.Errorf("got %v, want a LostLayerError of %s", err, digest)
	}
}
