package provider

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/property"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// sharedBases are two builders that share, and images on an image of the same program.
type sharedBases struct {
	t         *testing.T
	registry  *registrytest.Registry
	dir       string
	endpoints [2]string
}

func newSharedBases(t *testing.T) sharedBases {
	t.Helper()
	b := sharedBases{t: t, registry: registrytest.New(t), dir: t.TempDir()}
	var started sync.WaitGroup
	for i := range b.endpoints {
		started.Go(func() { b.endpoints[i] = startKillableDaemon(t).endpoint() })
	}
	started.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return b
}

// startProvider starts a provider with the two builders.
func (b sharedBases) startProvider() *wire {
	b.t.Helper()
	s := &settings{registry: registry.Options{RetryWaits: []time.Duration{}}}
	return dial(b.t, newProvider(s), fmt.Sprintf(`{"builders": [{"endpoint": %q, "share": true}, {"endpoint": %q, `+
		`"share": true}]}`, b.endpoints[0], b.endpoints[1]))
}

// builderOf returns the number of the builder of an image, as the documentation promises it.
func (b sharedBases) builderOf(name string) int {
	image := string(urnOf(name).Project()) + "/" + name
	if pairWeight(image, b.endpoints[0]) >= pairWeight(image, b.endpoints[1]) {
		return 0
	}
	return 1
}

// nameOn returns a name of an image that a builder has.
func (b sharedBases) nameOn(number int) string {
	for i := 0; ; i++ {
		if name := fmt.Sprintf("app-%d", i); b.builderOf(name) == number {
			return name
		}
	}
}

// up checks and creates an image from a Dockerfile, or previews it.
func (b sharedBases) up(w *wire, name, dockerfile string, preview bool) property.Map {
	b.t.Helper()
	inputs := props(b.t, `{"platforms": ["linux/amd64"], "tags": ["`+b.registry.Host()+`/`+name+`:1"], "pull": true,
		"sourceDateEpoch": 0, "context": {"location": "`+b.dir+`"}}`).
		Set("dockerfile", property.New(props(b.t, `{}`).Set("inline", property.New(dockerfile))))
	checked, err := w.Check(b.t.Context(), &pulumirpc.CheckRequest{
		Urn: string(urnOf(name)), News: marshalProperties(b.t, inputs),
	})
	if err != nil || len(checked.GetFailures()) > 0 {
		b.t.Fatal(err, checked.GetFailures())
	}
	created, err := w.Create(b.t.Context(), &pulumirpc.CreateRequest{
		Urn: string(urnOf(name)), Properties: checked.GetInputs(), Preview: preview,
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return unmarshalProperties(b.t, created.GetProperties())
}

// An image on another one of the program is built on its own builder of those that share, in an update on what the
// other one has pushed. A preview does not build it if the other one was built elsewhere, and says why.
func TestSharedBuildersOfImagesOfTheProgram(t *testing.T) {
	t.Parallel()
	b := newSharedBases(t)
	here := b.builderOf("base")
	near, far := b.nameOn(here), b.nameOn(1-here)
	from := "FROM " + b.registry.Host() + "/base:1\nLABEL app=1\n"
	names := []string{"base", near, far}
	dockerfiles := map[string]string{"base": "FROM scratch\nCOPY <<EOF /base\nbase\nEOF\n", near: from, far: from}

	w := b.startProvider()
	previewed := map[string]property.Map{}
	for _, name := range names {
		previewed[name] = b.up(w, name, dockerfiles[name], true)
	}
	for name, want := range map[string]bool{"base": true, near: true, far: false} {
		if digest := previewed[name].Get("digest"); digest.IsString() != want {
			t.Errorf("the preview of %s says %v", name, digest)
		}
	}
	why := "not built in this preview: its base image " + b.registry.Host() + "/base"
	if log := w.logText(); strings.Count(log, "not built in this preview: ") != 1 || !strings.Contains(log, why) {
		t.Errorf("want one line that says %q:\n%s", why, log)
	}

	w = b.startProvider()
	updated := map[string]property.Map{}
	for _, name := range names {
		updated[name] = b.up(w, name, dockerfiles[name], false)
		if want := previewed[name].Get("digest"); want.IsString() && text(updated[name], "digest") != want.AsString() {
			t.Errorf("the preview of %s said %v, the update made %s", name, want, text(updated[name], "digest"))
		}
		if line := "building linux/amd64 on " + b.endpoints[b.builderOf(name)]; !strings.Contains(w.logText(), line) {
			t.Errorf("%s: nothing says %q:\n%s", name, line, w.logText())
		}
	}
	base := text(updated["base"], "digest")
	for _, name := range names[1:] {
		if got := text(updated[name].Get("baseDigests").AsMap(), b.registry.Host()+"/base:1"); got != base {
			t.Errorf("%s is built on %s, want %s", name, got, base)
		}
	}
	if text(updated[near], "digest") != text(updated[far], "digest") {
		t.Errorf("the builders make other images on one base: %v and %v", updated[near], updated[far])
	}
}
