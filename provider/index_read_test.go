package provider

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/property"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

func TestIndexShowsDrift(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*testing.T, *indexEngine){
		"moved":   func(t *testing.T, e *indexEngine) { e.here.Push(t, "app:1", registrytest.Index(t, "linux/amd64")) },
		"removed": func(t *testing.T, e *indexEngine) { remembered{Registry: e.here}.remove(t, "1") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newJoinedEngine(t)
			digest := text(e.outputs, "digest")
			change(t, e)
			if gone := e.refresh(t); gone || !e.outputs.Get("tag").IsNull() || text(e.outputs, "ref") != "" {
				t.Errorf("got %v", e.outputs)
			}
			other := e.holds(t, "app:1")
			if err := e.destroy(t); err != nil || e.holds(t, "app:1") != other {
				t.Errorf("a destroy removed a tag that is not ours: %v", err)
			}
			checked, _ := e.check(t, joined)
			if got := e.diff(t, checked); !slices.Equal(got, []string{"tag"}) {
				t.Errorf("got %v", got)
			}
			if err := e.up(t, joined); err != nil || e.holds(t, "app:1") != digest {
				t.Errorf("the update did not put the tag back: %v", err)
			}
		})
	}
}

func TestIndexIsGone(t *testing.T) {
	t.Parallel()
	e := newJoinedEngine(t)
	remembered{Registry: e.here}.remove(t, text(e.outputs, "digest"))
	if !e.refresh(t) {
		t.Errorf("got %v", e.outputs)
	}
}

// What could not be determined is not "gone".
func TestIndexIsKeptWhenTheRegistryCannotBeAsked(t *testing.T) {
	t.Parallel()
	for _, status := range []int{401, 403, 429, 500, 503} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			t.Parallel()
			e := newJoinedEngine(t)
			before := e.outputs
			e.here.Inject(registrytest.Rule{Fault: registrytest.Status(status, "X", "no", "")})
			if e.refresh(t) || !property.New(e.outputs).Equals(property.New(before)) {
				t.Errorf("got %v", e.outputs)
			}
			if log := e.logText(); !strings.Contains(log, "the state is kept as it is") {
				t.Errorf("it logged %s", log)
			}
		})
	}
}

func TestIndexImport(t *testing.T) {
	t.Parallel()
	e := newJoinedEngine(t)
	digest := text(e.outputs, "digest")
	read, err := e.read(t, e.here.Host()+"/app:1")
	if err != nil || read.GetId() != "app" {
		t.Fatal(read, err)
	}
	e.inputs = unmarshalProperties(t, read.GetInputs())
	e.outputs = unmarshalProperties(t, read.GetProperties())
	if text(e.outputs, "digest") != digest || len(manifestDigests(e.outputs)) != 2 {
		t.Errorf("got %v", e.outputs)
	}
	program := `{"tag": "HERE/app:1", "sources": ["HERE/app@` + digest + `"]}`
	checked, failures := e.check(t, program)
	if got := e.diff(t, checked); failures != "" || len(got) > 0 {
		t.Errorf("got %v, %s", got, failures)
	}
	if err := e.up(t, joined); err != nil || text(e.outputs, "digest") != digest {
		t.Errorf("got %v, %v", e.outputs, err)
	}
	for id, want := range map[string]string{
		"nonsense:":                 "import takes a reference with a tag",
		e.here.Host() + "/app:none": "there is no such index",
		e.here.Host() + "/amd:1":    "is a single image and no index",
	} {
		if _, err := e.read(t, id); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", id, err)
		}
	}
}

// An index with two images of one platform, as of two versions of Windows, has the one that engines take: the first.
func TestManifestsOfOnePlatform(t *testing.T) {
	t.Parallel()
	got := manifestsValue([]registry.Manifest{
		{Platform: "windows/amd64", Digest: "sha256:1"}, {Platform: "windows/amd64", Digest: "sha256:2"},
	}, []string{"a.io/b"})
	if digest := text(got.AsMap().Get("windows/amd64").AsMap(), "repoDigest"); digest != "a.io/b@sha256:1" {
		t.Errorf("it has %s", digest)
	}
}

// A state of docker-build is updated even if no input differs. The diff shows no output, which a preview cannot know.
func TestDiffOfAnIndexOfDockerBuild(t *testing.T) {
	t.Parallel()
	inputs := props(t, `{"tag": "ghcr.io/x/app:1", "sources": ["ghcr.io/x/app@sha256:1"], "push": true}`)
	diff, err := serve(t).Diff(p.DiffRequest{
		ID: "app", Urn: indexURN, Inputs: inputs, State: inputs.Set("ref", property.New("ghcr.io/x/app:1@sha256:2")),
	})
	if err != nil || !diff.HasChanges || len(diff.DetailedDiff) > 0 {
		t.Errorf("got %+v, %v", diff, err)
	}
}

// A state of docker-build has neither a digest nor the digests of the sources. The update changes no tag.
func TestIndexOfDockerBuild(t *testing.T) {
	t.Parallel()
	e := newJoinedEngine(t)
	digest := text(e.outputs, "digest")
	e.inputs = e.inputs.Delete("sourceDigests").Set("push", property.New(true))
	e.outputs = e.inputs.Set("ref", property.New(e.here.Host()+"/app:1@"+digest))
	if e.refresh(t) {
		t.Fatal("it is gone")
	}
	if err := e.up(t, joined); err != nil || text(e.outputs, "digest") != digest || e.holds(t, "app:1") != digest {
		t.Errorf("got %v, %v", e.outputs, err)
	}
}
