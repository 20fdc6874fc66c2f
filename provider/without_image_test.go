package provider

import (
	"strings"
	"testing"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

// nothing is the outputs of a build without an image.
const nothing = "digest= ref= repoDigest= refs= manifests=known"

// withoutBuilder returns inputs with a builder that does not exist, so that a build fails and shows.
func (r remembered) withoutBuilder(t *testing.T, changes string, tags ...string) property.Map {
	t.Helper()
	inputs := r.newInputs(t, tags...).Set("builder", property.New(props(t,
		`{"endpoint": "unix:///nowhere/buildkitd.sock"}`))).
		Set("dockerfile", property.New(props(t, `{"inline": "FROM scratch"}`)))
	for key, value := range props(t, changes).All {
		inputs = inputs.Set(key, value)
	}
	return inputs
}

func reachesBuilder(err error) bool {
	return err != nil && strings.Contains(err.Error(), "/nowhere/buildkitd.sock")
}

// withoutPush returns the state of an image that is not pushed. An earlier version wrote a digest into it.
func (r remembered) withoutPush(t *testing.T, digest string) property.Map {
	t.Helper()
	inputs := r.withoutBuilder(t, `{"push": false}`, "app:v1")
	return setReferences(repeatedInputs(inputs), digest, nil, nil).Set("manifests", manifestsValue(nil, nil))
}

// An upgrade alone makes no diff. If only the name of an image without a push changes, nothing is built, and the digest
// is removed from the state.
func TestWithoutAnImageNothingIsBuiltTwice(t *testing.T) {
	t.Parallel()
	r := newRemembered(t)
	for _, digest := range []string{r.digest, ""} {
		r.state = r.withoutPush(t, digest)
		same := r.withoutBuilder(t, `{"push": false}`, "app:v1")
		diff, err := r.server.Diff(p.DiffRequest{ID: "app", Urn: urn, State: r.state, Inputs: same})
		if err != nil || diff.HasChanges {
			t.Errorf("%q: a diff: %+v, %v", digest, diff, err)
		}
		for _, preview := range []bool{true, false} {
			res, err := r.server.Update(p.UpdateRequest{ID: "app", Urn: urn, State: r.state, DryRun: preview,
				Inputs: r.withoutBuilder(t, `{"push": false}`, "app:v2")})
			manifests := res.Properties.Get("manifests").AsMap()
			if err != nil || formatOutputs(res.Properties) != nothing || manifests.Len() > 0 {
				t.Errorf("%q, preview %t: %s, %v", digest, preview, formatOutputs(res.Properties), err)
			}
		}
	}
}

// The state remembers every build, with an image only if one was made.
func TestWithoutAnImageBuildsAreRemembered(t *testing.T) {
	t.Parallel()
	r := newRemembered(t)
	args, _, err := decode(t.Context(), r.newInputs(t))
	if err != nil {
		t.Fatal(err)
	}
	hash := inputsHash(args)
	cases := map[string]struct {
		remembered []pastBuild
		changes    string
		built      bool
		want       string // of the outputs
	}{
		"back to what made none":  {[]pastBuild{{hash, ""}}, `{"push": false}`, false, nothing},
		"back to what made one":   {[]pastBuild{{hash, r.digest}}, `{"push": false}`, false, nothing},
		"never built":             {nil, `{"push": false}`, true, ""},
		"to be pushed, made none": {[]pastBuild{{hash, ""}}, `{}`, true, ""},
		"to be pushed, made one": {
			[]pastBuild{{hash, r.digest}}, `{}`, false,
			"digest=sha ref=app:v1@sha repoDigest=app@sha refs=app:v1 manifests=known",
		},
		"files, which are written": {
			[]pastBuild{{hash, r.digest}}, `{"push": false, "exports": [{"local": {"dest": "OUT"}}]}`, true, "",
		},
		"only for the cache": {[]pastBuild{{hash, ""}}, `{"push": false, "exports": [{"cacheonly": {}}]}`, false,
			nothing},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := r
			r.state = r.withoutPush(t, "").Set("contextHash", property.New("another")).Set(pastBuildsKey,
				pastBuildsValue(c.remembered))
			res, err := r.update(r.withoutBuilder(t, strings.ReplaceAll(c.changes, "OUT", t.TempDir()), "app:v1"))
			if reachesBuilder(err) != c.built || err != nil && !c.built {
				t.Fatalf("built: %t, %v", reachesBuilder(err), err)
			}
			if got := r.shorten(formatOutputs(res.Properties)); !c.built && got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// A build without an image is remembered too, and keeps the image of an earlier build.
func TestStateRemembersBuildsWithoutAnImage(t *testing.T) {
	t.Parallel()
	s := stateOf(property.Map{}.Set(pastBuildsKey, pastBuildsValue([]pastBuild{{"a", "sha256:1"}, {"b", ""}})))
	if got := s.withBuild(pastBuild{inputs: "a"}); len(got) != 2 || got[0] != (pastBuild{"a", "sha256:1"}) {
		t.Errorf("got %v", got)
	}
	if got := s.withBuild(pastBuild{"b", "sha256:2"}); len(got) != 2 || got[0] != (pastBuild{"b", "sha256:2"}) {
		t.Errorf("got %v", got)
	}
	if !s.hasBuilt("b") || s.digestFor("b") != "" || s.hasBuilt("c") {
		t.Errorf("builds are %v", s.builds)
	}
}

// Without an image, a refresh asks no registry and a destroy removes nothing.
func TestReadAndDeleteWithoutAnImage(t *testing.T) {
	t.Parallel()
	r := newRemembered(t)
	inputs := r.withoutBuilder(t, `{"push": false}`, "app:v1")
	res, err := r.server.Read(p.ReadRequest{ID: "app", Urn: urn, Inputs: inputs, Properties: r.withoutPush(t, "")})
	if err != nil || res.ID != "app" || formatOutputs(res.Properties) != nothing ||
		!property.New(res.Inputs).Equals(property.New(inputs)) {
		t.Errorf("got %+v, %v", res, err)
	}
	if err := r.server.Delete(p.DeleteRequest{
		ID: "app", Urn: urn, Properties: r.withoutPush(t, ""), OldInputs: inputs,
	}); err != nil {
		t.Error(err)
	}
	for _, q := range r.Requests() {
		if strings.Contains(q.Path, "v1") {
			t.Errorf("the registry was asked %v", q)
		}
	}
}

func TestWhoGetsAnImage(t *testing.T) {
	t.Parallel()
	const tagged = `"tags": ["a.io/b:1"]`
	for inputs, want := range map[string]bool{
		``: false, tagged: true, tagged + `, "push": false`: false, tagged + `, "push": true`: true,
		tagged + `, "push": "?"`: true, `"tags": "?"`: true, `"tags": ["?"]`: true,
		`"load": true`: true, `"load": false`: false, `"load": "?"`: true, `"exports": "?"`: true,
		`"exports": []`:                                                   false,
		`"exports": [{"cacheonly": {}}]`:                                  false,
		`"exports": [{"cacheonly": {}}], ` + tagged:                       true,
		`"exports": [{"local": {"dest": "a"}}, {"tar": {"dest": "b"}}]`:   false,
		`"exports": [{"raw": "out"}]`:                                     false,
		`"exports": [{"raw": "type=tar,dest=a"}]`:                         false,
		`"exports": [{"raw": "type=oci,dest=a"}]`:                         true,
		`"exports": [{"oci": {"dest": "a"}}]`:                             true,
		`"exports": [{"oci": {"dest": "a"}, "disabled": true}]`:           false,
		`"exports": [{"docker": {"dest": "a"}}]`:                          true,
		`"exports": [{"image": {}}]`:                                      true,
		`"exports": [{"local": {"dest": "?"}}], "push": false, ` + tagged: true,
	} {
		raw := props(t, "{"+inputs+"}")
		args, failures, err := decode(t.Context(), raw)
		if err != nil || len(failures) > 0 {
			t.Fatal(err, failures)
		}
		if got := makesImage(raw, enabledExports(args)); got != want {
			t.Errorf("%s: %t", inputs, got)
		}
	}
}

// A preview of a build without an image shows the known outputs, even if another output is unknown.
func TestPreviewWithoutAnImage(t *testing.T) {
	t.Parallel()
	for inputs, want := range map[string]string{
		`"buildOnPreview": false`: nothing,
		`"buildOnPreview": false, "exports": [{"local": {"dest": "a"}}]`: nothing,
		`"buildArgs": {"A": "?"}, "tags": ["a.io/x:1"], "push": false`:   nothing,
		`"buildOnPreview": false, "load": true`: "digest=? ref= repoDigest=? " +
			"refs= manifests=?",
		`"buildOnPreview": false, "exports": [{"image": {}}]`: "digest=? ref= repoDigest=? " +
			"refs= manifests=?",
		`"buildOnPreview": false, "exports": "?"`: "digest=? ref=? repoDigest=? " +
			"refs=? manifests=?", // they may have names to push to
		`"buildOnPreview": false, "push": "?", "tags": ["a.io/x:1"]`: "digest=? ref=? repoDigest=? " +
			"refs=? manifests=?",
		`"buildOnPreview": false, "exports": [{"cacheonly": {}}], "contextHash": "?"`: nothing,
	} {
		res, err := serve(t).Create(p.CreateRequest{
			Urn: urn, DryRun: true, Properties: props(t, `{"contextHash": "c1", `+inputs+`}`),
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := formatOutputs(res.Properties); got != want {
			t.Errorf("%s\ngot  %s\nwant %s", inputs, got, want)
		}
	}
}
