package provider

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/integration"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// These tests apply inputs whose image the state remembers, so they need no builder. They check what happens to tags.
// test/e2e tests the builds.

// remembered is a registry that holds an image as app@digest, without a tag, and the state that remembers it.
type remembered struct {
	*registrytest.Registry
	server integration.Server
	digest string
	state  property.Map
}

// newRemembered starts the registry, pushes the image and makes the state.
func newRemembered(t *testing.T, options ...registrytest.Option) remembered {
	t.Helper()
	reg := registrytest.New(t, options...)
	r := remembered{Registry: reg, server: serve(t),
		digest: reg.Push(t, "app", registrytest.Index(t, "linux/amd64", "linux/arm64"))}
	args, _, err := decode(t.Context(), r.newInputs(t))
	if err != nil {
		t.Fatal(err)
	}
	r.state = property.Map{}.Set(pastBuildsKey, pastBuildsValue([]pastBuild{{inputsHash(args), r.digest}}))
	return r
}

// newInputs returns the inputs of the remembered image, with tags such as "app:v1" on this registry.
func (r remembered) newInputs(t *testing.T, tags ...string) property.Map {
	t.Helper()
	refs := make([]string, len(tags))
	for i, tag := range tags {
		refs[i] = r.Host() + "/" + tag
	}
	return props(t, `{"contextHash": "c1", "platforms": ["linux/amd64", "linux/arm64"]}`).Set("tags", list(refs))
}

func (r remembered) update(inputs property.Map) (p.UpdateResponse, error) {
	return r.server.Update(p.UpdateRequest{ID: "app", Urn: urn, State: r.state, Inputs: inputs})
}

// digestOf returns the digest behind a tag, or "" if there is no such tag.
func (r remembered) digestOf(t *testing.T, tag string) string {
	t.Helper()
	repository, label, _ := strings.Cut(tag, ":")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodHead,
		"http://"+r.Host()+"/v2/"+repository+"/manifests/"+label, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "application/vnd.oci.image.index.v1+json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	return res.Header.Get("Docker-Content-Digest")
}

func TestApplyOutputs(t *testing.T) {
	t.Parallel()
	r := newRemembered(t)
	res, err := r.update(r.newInputs(t, "app:v1", "app:latest"))
	if err != nil {
		t.Fatal(err)
	}
	repository := r.Host() + "/app"
	want := fmt.Sprintf("digest=%s ref=%s:v1@%s repoDigest=%s@%s refs=%s:v1,%s:latest manifests=known",
		r.digest, repository, r.digest, repository, r.digest, repository, repository)
	if got := formatOutputs(res.Properties); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	arm := res.Properties.Get("manifests").AsMap().Get("linux/arm64").AsMap()
	if !strings.HasPrefix(text(arm, "repoDigest"), repository+"@sha256:") || arm.Get("size").AsNumber() < 1000 {
		t.Errorf("linux/arm64: %v", arm)
	}
	if r.digestOf(t, "app:v1") != r.digest || r.digestOf(t, "app:latest") != r.digest {
		t.Error("the tags do not hold the image")
	}
}

// The state has the tags that moved and no others.
func TestApplyKeepsWhatMovedWhenATagFails(t *testing.T) {
	t.Parallel()
	r := newRemembered(t)
	r.Wrap(registrytest.Intercept(http.MethodPut, "/manifests/bad", func(w http.ResponseWriter, _ *http.Request) {
		registrytest.Refuse(w, http.StatusForbidden, "DENIED", "no")
	}))
	res, err := r.update(r.newInputs(t, "app:good", "app:bad"))
	if err == nil || res.PartialState == nil || !strings.Contains(res.PartialState.Reasons[0], "/app:bad") {
		t.Fatalf("got %+v, %v", res.PartialState, err)
	}
	if got := texts(res.Properties, "tags"); len(got) != 1 || got[0] != r.Host()+"/app:good" {
		t.Errorf("tags %q are said to hold the image", got)
	}
	diff, err := r.server.Diff(p.DiffRequest{ID: "app", Urn: urn, State: res.Properties,
		Inputs: r.newInputs(t, "app:good", "app:bad")})
	if err != nil || changesOf(diff) != "tags[1]:add" {
		t.Errorf("the next update sees %q, %v", changesOf(diff), err)
	}
}

func TestApplyLeavesNothingWhenNoTagMoved(t *testing.T) {
	t.Parallel()
	faults := map[string]struct {
		method, suffix string
		answer         http.HandlerFunc
		want           string
	}{
		"the first tag is refused": {http.MethodPut, "/manifests/v1", func(w http.ResponseWriter, _ *http.Request) {
			registrytest.Refuse(w, http.StatusForbidden, "DENIED", "no")
		}, "403"},
		"the registry took the tag and kept nothing": {http.MethodPut, "/manifests/v1",
			func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusCreated)
			}, "/app:v1"},
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRemembered(t)
			r.Wrap(registrytest.Intercept(fault.method, fault.suffix, fault.answer))
			res, err := r.update(r.newInputs(t, "app:v1"))
			if err == nil || res.PartialState != nil || !strings.Contains(err.Error(), fault.want) {
				t.Errorf("got %+v, %v", res.PartialState, err)
			}
			if got := r.digestOf(t, "app:v1"); got != "" {
				t.Errorf("the tag holds %s", got)
			}
		})
	}
}

// A remembered image with other platforms than the inputs is not reused. The test has no builder, so the build fails.
func TestApplyReusesNoOtherPlatformsThanAskedFor(t *testing.T) {
	t.Parallel()
	r := newRemembered(t)
	digest := r.Push(t, "app", registrytest.Index(t, "linux/amd64"))
	builds := stateOf(r.state).builds
	r.state = r.state.Set(pastBuildsKey, pastBuildsValue([]pastBuild{{builds[0].inputs, digest}}))
	nowhere := "unix://" + t.TempDir() + "/buildkitd.sock"
	inputs := r.newInputs(t, "app:v1").Set("builder", property.New(props(t, `{"endpoint": "`+nowhere+`"}`))).
		Set("dockerfile", property.New(props(t, `{"inline": "FROM scratch"}`)))
	if _, err := r.update(inputs); err == nil || !strings.Contains(err.Error(), nowhere) {
		t.Errorf("got %v", err)
	}
	if got := r.digestOf(t, "app:v1"); got != "" {
		t.Errorf("the tag holds %s", got)
	}
}

// Without platforms the image is for whatever the builder runs on.
func TestApplyTakesTheBuildersPlatformWhenNoneIsAskedFor(t *testing.T) {
	t.Parallel()
	r := newRemembered(t)
	inputs := r.newInputs(t, "app:v1").Delete("platforms")
	args, _, err := decode(t.Context(), inputs)
	if err != nil {
		t.Fatal(err)
	}
	digest := r.Push(t, "app", registrytest.Image(t, "linux/riscv64"))
	r.state = property.Map{}.Set(pastBuildsKey, pastBuildsValue([]pastBuild{{inputsHash(args), digest}}))
	res, err := r.update(inputs)
	if err != nil {
		t.Fatal(err)
	}
	if text(res.Properties, "digest") != digest ||
		res.Properties.Get("manifests").AsMap().Get("linux/riscv64").IsNull() {
		t.Errorf("got %v", res.Properties)
	}
}

// A contextHash given by hand says when to build: a new tag alone does not.
func TestApplyKeepsAnImageUnderAHashGivenByHand(t *testing.T) {
	t.Parallel()
	r := newRemembered(t)
	inputs := r.newInputs(t, "app:v2").Set("contextHash", property.New("by hand"))
	r.state = repeatedInputs(inputs).
		Set("tags", list([]string{r.Host() + "/app:v1"})).
		Set("digest", property.New(r.digest))
	res, err := r.update(inputs)
	if err != nil || text(res.Properties, "digest") != r.digest || r.digestOf(t, "app:v2") != r.digest {
		t.Errorf("got %v, %v", res.Properties, err)
	}
}

// A plugin notices late that its engine was killed, but never after it moved a tag.
func TestApplyMovesNoTagForAnEngineThatIsGone(t *testing.T) {
	t.Parallel()
	r := newRemembered(t)
	w := dial(t, New(func() bool { return false }), `{}`)
	_, err := w.Update(t.Context(), &pulumirpc.UpdateRequest{Id: "app", Urn: string(urn),
		Olds: marshalProperties(t, r.state), News: marshalProperties(t, r.newInputs(t, "app:v1"))})
	if err == nil || !strings.Contains(err.Error(), "no tag was moved") || r.digestOf(t, "app:v1") != "" {
		t.Errorf("got %v, and the tag is at %q", err, r.digestOf(t, "app:v1"))
	}
}

// The order of platforms does not change the digest.
func TestPlatformsAreASet(t *testing.T) {
	t.Parallel()
	one := ImageArgs{Platforms: []Platform{"linux/amd64", "linux/arm64/v8"}}.plan(nil)
	other := ImageArgs{Platforms: []Platform{"linux/arm64", "linux/x86_64"}}.plan(nil)
	if !slices.Equal(one.Platforms, other.Platforms) {
		t.Errorf("%v and %v", one.Platforms, other.Platforms)
	}
}

// If nobody knows whether the tag moved, the state stays as it was, and the engine updates again in any case.
func TestApplyIsUnsure(t *testing.T) {
	t.Parallel()
	r, req := pushImage(t)
	r.Wrap(registrytest.Intercept("", "/manifests/v2", func(w http.ResponseWriter, _ *http.Request) {
		registrytest.Refuse(w, http.StatusInternalServerError, "UNKNOWN", "no")
	}))
	res, err := r.update(r.newInputs(t, "app:v2"))
	if err == nil || res.PartialState == nil ||
		!strings.Contains(res.PartialState.Reasons[0], "whether it moved is not known") {
		t.Fatalf("got %+v, %v", res.PartialState, err)
	}
	if !res.Properties.Equals(req.Properties) {
		t.Errorf("got %v", res.Properties)
	}
}
