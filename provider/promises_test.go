package provider

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/integration"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// In a preview, an image that needs the result of another image is unknown, and that is no mistake. The first call of
// an update ends all promises, even in the same process and run.
func TestPromisesInCheck(t *testing.T) {
	t.Parallel()
	r, out := registrytest.New(t), filepath.Join(t.TempDir(), "out")
	server := serve(t)
	checked := func(inputs string) string {
		t.Helper()
		res, err := server.Check(p.CheckRequest{Urn: urnOf("app"), Inputs: props(t, inputs)})
		if err != nil {
			t.Fatal(err)
		}
		if len(res.Failures) > 0 {
			return res.Failures[0].Property + ": " + res.Failures[0].Reason
		}
		shown := func(v property.Value) string {
			if v.IsComputed() {
				return "?"
			}
			return v.AsString()
		}
		if bases := res.Inputs.Get("baseDigests"); bases.IsMap() {
			return shown(bases.AsMap().Get(r.Host() + "/base:1"))
		}
		return shown(res.Inputs.Get("contextHash"))
	}
	based := strings.ReplaceAll(pullInputs(r, `"pull": true`), "APP", newBuildContext(t))
	file := `{"dockerfile": {"inline": "FROM scratch\nCOPY a /\n"}, "context": {"location": "` + out + `"}}`
	recipe := `{"dockerfile": {"location": "` + out + `/Dockerfile"}, ` +
		`"context": {"location": "` + newBuildContext(t) + `"}}`
	expect := func(when string, want map[string]string) {
		t.Helper()
		for inputs, text := range want {
			if got := checked(inputs); !strings.Contains(got, text) {
				t.Errorf("%s: got %s, want %s", when, got, text)
			}
		}
	}
	missing := map[string]string{
		based: "pull: base image: ", file: "no such folder: there is no " + out + ". " + madeElsewhereRemedy,
		recipe: madeElsewhereRemedy,
	}
	expect("before", missing)
	previewBase(t, server, `{"contextHash": "c", "buildOnPreview": false, "tags": ["`+r.Host()+`/base:1"], `+
		`"exports": [{"local": {"dest": "`+out+`"}}]}`)
	expect("in the preview", map[string]string{based: "?", file: "?", recipe: "?"})
	tagBase(t, r, registrytest.Image(t, "linux/amd64"))
	expect("although there is one", map[string]string{based: "?"})
	if err := server.Delete(p.DeleteRequest{ID: "gone", Urn: urnOf("gone")}); err != nil {
		t.Fatal(err)
	}
	delete(missing, based)
	expect("in the update", missing)
	expect("in the update", map[string]string{based: tagBase(t, r, registrytest.Image(t, "linux/amd64"))})
}

// The first call that only an update makes ends all promises. An image that does not change ends its own.
func TestWhatEndsPromises(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(integration.Server, property.Map){
		"a creation": func(s integration.Server, _ property.Map) {
			_, _ = s.Create(p.CreateRequest{
				Urn: urnOf("other"), Properties: props(t, `{"builder": {"endpoint": "unix:///nowhere"}}`),
			})
		},
		"an update": func(s integration.Server, _ property.Map) {
			_, _ = s.Update(p.UpdateRequest{
				Urn: urnOf("other"), Inputs: props(t, `{"builder": {"endpoint": "unix:///nowhere"}}`),
			})
		},
		"a deletion": func(s integration.Server, _ property.Map) { _ = s.Delete(p.DeleteRequest{Urn: urnOf("other")}) },
		"no change": func(s integration.Server, inputs property.Map) {
			_, _ = s.Diff(p.DiffRequest{Urn: urnOf("base"), State: inputs, Inputs: inputs})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, out := serve(t), filepath.Join(t.TempDir(), "out")
			base := `{"contextHash": "c", "buildOnPreview": false, "exports": [{"local": {"dest": "` + out + `"}}]}`
			previewBase(t, server, base)
			failures := func() int {
				given := props(t, `{"dockerfile": {"inline": "FROM scratch\n"}, "context": {"location": "`+out+`"}}`)
				res, err := server.Check(p.CheckRequest{Urn: urnOf("app"), Inputs: given})
				if err != nil {
					t.Fatal(err)
				}
				return len(res.Failures)
			}
			if failures() > 0 {
				t.Fatal("Check does not know the promise")
			}
			if end(server, props(t, base)); failures() == 0 {
				t.Error("the promise was not dropped")
			}
		})
	}
}

// A preview builds on a promised base only if the registry has the promised digest already.
func TestAPromisedBaseThatExists(t *testing.T) {
	t.Parallel()
	r, req := pushImage(t)
	tag, err := name.NewTag(r.Host() + "/app:2")
	if err != nil {
		t.Fatal(err)
	}
	inputs := req.Inputs.Set("tags", list([]string{tag.Name()}))
	if _, err := r.server.Update(p.UpdateRequest{
		Urn: urnOf("base"), State: req.Properties, Inputs: inputs, DryRun: true,
	}); err != nil {
		t.Fatal(err)
	}
	builds := func(from string) bool {
		_, err := r.server.Create(p.CreateRequest{
			Urn: urnOf("app"), DryRun: true, Properties: props(t, `{"contextHash": "c",
			"context": {"location": "`+newBuildContext(t)+`"}, "dockerfile": {"inline": "FROM `+from+`\n"},
			"builder": {"endpoint": "unix:///nowhere"}}`),
		})
		return err != nil && strings.Contains(err.Error(), "/nowhere")
	}
	if builds(tag.Name()) {
		t.Error("the preview built on a base image that does not exist yet")
	}
	if err := remote.Write(tag, registrytest.Image(t, "linux/amd64"), remote.WithContext(t.Context())); err != nil {
		t.Fatal(err)
	}
	if builds(tag.Name()) {
		t.Error("the preview built on the image that the tag held before")
	}
	held, err := name.NewDigest(r.Host() + "/app@" + r.digest)
	if err != nil {
		t.Fatal(err)
	}
	image, err := remote.Get(held, remote.WithContext(t.Context()))
	if err == nil {
		err = remote.Tag(tag, image, remote.WithContext(t.Context()))
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, from := range []string{tag.Name(), held.Name()} {
		if !builds(from) {
			t.Errorf("it does not build on %s, which is there", from)
		}
	}
}

// previewBase previews the image base.
func previewBase(t *testing.T, server integration.Server, inputs string) {
	t.Helper()
	if _, err := server.Create(p.CreateRequest{
		Urn: urnOf("base"), Properties: props(t, inputs), DryRun: true,
	}); err != nil {
		t.Fatal(err)
	}
}

// If push is unknown, nobody knows what the references of the image will hold.
func TestAnUnknownPushPromisesNoDigest(t *testing.T) {
	t.Parallel()
	for push, want := range map[string]string{`true`: "sha256:1", `"?"`: ""} {
		op := operationOf(t, urnOf("base"), props(t, `{"tags": ["user/base:1"], "push": `+push+`}`), state{})
		if got := newPromise(op, "sha256:1", true); got.Digest != want || len(got.Refs) != 1 {
			t.Errorf("push is %s: got %+v", push, got)
		}
	}
}

// A preview that does not build says why, in one line.
func TestThePreviewSaysWhyItDoesNotBuild(t *testing.T) {
	t.Parallel()
	r, dir := registrytest.New(t), newBuildContext(t)
	old := tagBase(t, r, registrytest.Image(t, "linux/amd64"))
	base := r.Host() + "/base"
	for name, c := range map[string]struct{ base, inputs, want string }{
		"one input": {``, `"buildArgs": {"A": "?", "B": "1"}`, "buildArgs.A is not known yet"},
		"two inputs": {
			``, `"buildArgs": {"A": "?"}, "secrets": {"npm": "?"}`, "buildArgs.A and secrets.npm are not known yet",
		},
		"many inputs": {
			``, `"labels": {"a": "?", "b": "?", "c": "?", "d": "?", "e": "?", "f": "?"}`,
			"labels.a, labels.b, labels.c, labels.d, labels.e and 1 more are not known yet",
		},
		"the contextHash": {``, `"contextHash": "?"`, "contextHash is not known yet"},
		"another base": {
			`, "tags": ["` + base + `:1"]`, `"buildArgs": {}`,
			"its base image " + base + ":1 is made by the image base of this update",
		},
		"a pinned base": {
			`, "tags": ["` + base + `:1"]`, `"baseDigests": {"` + base + `:1": "?"}`,
			"its base image " + base + ":1 is made by the image base of this update",
		},
		"a secret": {
			`, "exports": [{"local": {"dest": "` + dir + `/out"}}]`,
			`"secretSources": {"npm": {"file": "` + dir + `/out/token"}}`,
			"it reads " + dir + "/out, which the image base of this update writes",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := dial(t, newFastProvider(), `{}`)
			w.preview(t, "base", `{"contextHash": "c", "buildOnPreview": false`+c.base+`}`)
			out := w.preview(t, "app", `{"contextHash": "c", "exports": [{"image": {}}], "context": {"location": "`+
				dir+`"}, "dockerfile": {"inline": "FROM `+base+`:1\n"}, `+c.inputs+`}`)
			if lines := strings.Count(w.logText(), "not built in this preview: "); lines != 1 ||
				!strings.Contains(w.logText(),
					"INFO not built in this preview: "+c.want) {
				t.Errorf("want one line that says %q:\n%s", c.want, w.logText())
			}
			if !out.Get("digest").IsComputed() || text(out, "digest") == old {
				t.Errorf("the preview claims a digest: %v", out.Get("digest"))
			}
		})
	}
}

// preview creates an image in a preview, and returns its outputs.
func (w *wire) preview(t *testing.T, name, inputs string) property.Map {
	t.Helper()
	res, err := w.Create(t.Context(), &pulumirpc.CreateRequest{
		Urn: string(urnOf(name)), Preview: true, Properties: marshalProperties(t, props(t, inputs)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return unmarshalProperties(t, res.GetProperties())
}
