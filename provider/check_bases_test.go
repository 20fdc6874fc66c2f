package provider

import (
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	p "github.com/pulumi/pulumi-go-provider"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// tagBase points base:1 at a new image, and returns its digest.
func tagBase(t *testing.T, r *registrytest.Registry, image v1.Image) string {
	t.Helper()
	tag, err := name.NewTag(r.Host() + "/base:1")
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(tag, image, remote.WithContext(t.Context())); err != nil {
		t.Fatal(err)
	}
	digest, err := image.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return digest.String()
}

// pullInputs returns inputs with a Dockerfile on base:1, and more inputs. The program names the registry.
func pullInputs(r *registrytest.Registry, more string) string {
	return `{"context": {"location": "APP"}, "cacheFrom": [{"registry": {"ref": "` + r.Host() + `/cache"}}], ` +
		`"dockerfile": {"inline": "ARG V=1\nFROM ` + r.Host() + `/base:$V\nCOPY . /\n"}, ` + more + `}`
}

func TestPullFillsBaseDigests(t *testing.T) {
	t.Parallel()
	r := registrytest.New(t)
	first := tagBase(t, r, registrytest.Image(t, "linux/amd64"))
	base := r.Host() + "/base:1"
	baseDigest := func(more string) string {
		t.Helper()
		res := runCheck(t, pullInputs(r, more))
		if len(res.Failures) > 0 {
			t.Fatal(res.Failures)
		}
		v := res.Inputs.Get("baseDigests")
		switch {
		case v.IsComputed():
			return "?"
		case v.IsMap():
			return text(v.AsMap(), base)
		}
		return ""
	}
	asked := len(r.Requests())
	if got := baseDigest(`"pull": false`); got != "" || len(r.Requests()) != asked {
		t.Errorf("without pull: %q after %d requests", got, len(r.Requests())-asked)
	}
	if got := baseDigest(`"pull": true`); got != first {
		t.Errorf("got %q, want %s", got, first)
	}
	second := tagBase(t, r, registrytest.Image(t, "linux/amd64"))
	for more, want := range map[string]string{
		`"pull": true`: second,
		`"pull": true, "baseDigests": {"` + base + `": "` + first + `"}`:                 first,
		`"baseDigests": {"` + base + `": "` + first + `"}`:                               first,
		`"pull": true, "buildArgs": {"V": "?"}`:                                          "?",
		`"pull": true, "buildArgs": {"OTHER": "?"}`:                                      second,
		`"pull": true, "buildArgs": "?"`:                                                 "?",
		`"pull": "?"`:                                                                    "?",
		`"pull": true, "target": "?"`:                                                    "?",
		`"pull": true, "contextHash": "by hand"`:                                         second,
		`"pull": true, "registries": [{"address": "` + r.Host() + `", "password": "?"}]`: second,
	} {
		if got := baseDigest(more); got != want {
			t.Errorf("%s: got %q, want %q", more, got, want)
		}
	}
}

// A new digest of a base image is a reason to build, and the preview names that image.
func TestDiffNamesTheNewBaseImage(t *testing.T) {
	t.Parallel()
	applied := props(t, `{"contextHash": "c", "baseDigests": {"docker.io/library/alpine:3.20": "sha256:a"}}`)
	wanted := props(t, `{"contextHash": "c", "baseDigests": {"docker.io/library/alpine:3.20": "sha256:b"}}`)
	diff, err := serve(t).Diff(p.DiffRequest{ID: "app", Urn: urn, State: applied, Inputs: wanted})
	if err != nil || changesOf(diff) != `baseDigests["docker.io/library/alpine:3.20"]:update` {
		t.Errorf("got %s, %v", changesOf(diff), err)
	}
}

func TestPullNamesAMissingBaseImage(t *testing.T) {
	t.Parallel()
	closed := registrytest.New(t, registrytest.Login("me", "canary"))
	for _, test := range []struct{ inputs, want string }{
		{pullInputs(registrytest.New(t), `"pull": true`), "base image: resolving "},
		{pullInputs(closed, `"pull": true`), "base:1: 401 unauthorized: no credentials"},
		{
			`{"context": {"location": "APP"}, "dockerfile": {"inline": "FROM 127.0.0.1:1/base\n"}, "pull": true}`,
			"127.0.0.1:1/base:latest",
		},
		{
			`{"context": {"location": "APP"}, "dockerfile": {"inline": "FROM 169.254.169.254/base\n"}, "pull": true}`,
			"169.254.169.254/base:latest: it was not fetched",
		},
	} {
		res := runCheck(t, test.inputs)
		if len(res.Failures) != 1 || res.Failures[0].Property != "pull" ||
			!strings.Contains(res.Failures[0].Reason, test.want) {
			t.Errorf("got %v, want %s", res.Failures, test.want)
		}
	}
	// A login that the same update makes.
	res := runCheck(t, pullInputs(closed, `"pull": true, `+
		`"registries": [{"address": "`+closed.Host()+`", "username": "me", "password": "?"}]`))
	if len(res.Failures) > 0 || !res.Inputs.Get("baseDigests").IsComputed() {
		t.Errorf("got %v, %v", res.Failures, res.Inputs)
	}
}

func TestCheckOfBaseDigests(t *testing.T) {
	t.Parallel()
	good := "sha256:" + strings.Repeat("0", 64)
	for _, test := range []struct{ given, want string }{
		{`{"alpine": "` + good + `"}`, ""},
		{`{"alpine": "?"}`, ""},
		{`{"alpine": "sha256:1"}`, "baseDigests.alpine: \"sha256:1\" is not a digest"},
		{`{"Alpine": "` + good + `"}`, "baseDigests.Alpine: \"Alpine\" cannot be the reference of a base image"},
		{`{"alpine@` + good + `": "` + good + `"}`, "it names a digest already"},
		{`{"alpine": "` + good + `", "docker.io/library/alpine:latest": "` + good + `"}`, "are one image"},
	} {
		res := runCheck(t, `{"context": {"location": "APP"}, "baseDigests": `+test.given+`}`)
		got := ""
		for _, f := range res.Failures {
			got += f.Property + ": " + f.Reason
		}
		if (test.want == "") != (got == "") || !strings.Contains(got, test.want) {
			t.Errorf("%s: got %q, want %q", test.given, got, test.want)
		}
	}
}
