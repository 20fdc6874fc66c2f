package provider

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/property"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
)

// wantOneFailure checks inputs with one mistake in them.
func wantOneFailure(t *testing.T, inputs, path, reason string) {
	t.Helper()
	failures := runCheck(t, inputs).Failures
	if len(failures) != 1 || failures[0].Property != path || !strings.Contains(failures[0].Reason, reason) {
		t.Errorf("got %+v\nwant %s: %s", failures, path, reason)
	}
}

func TestCheckOfSecrets(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", buildkit.SecretLimit+1)
	cases := map[string]struct{ inputs, path, reason string }{
		"no id": {`"secrets": {"": "hunter2"}`, `secrets[""]`, "needs an id"},
		"too long": {
			`"secrets": {"npm": "` + long + `"}`, "secrets.npm", "has 512001 bytes, BuildKit takes 512000",
		},
		"no place": {
			`"secretSources": {"npm": {}}`, "secretSources.npm",
			"either env, the name of an environment variable, or file, a path",
		},
		"an empty place": {`"secretSources": {"npm": {"env": ""}}`, "secretSources.npm", "either env"},
		"two places": {
			`"secretSources": {"a.b": {"env": "A", "file": "b"}}`, `secretSources["a.b"]`, "either env",
		},
		"in both": {
			`"secrets": {"npm": "hunter2"}, "secretSources": {"npm": {"env": "A"}}`, "secretSources.npm",
			"is in secrets too",
		},
		"as an argument": {
			`"buildArgs": {"TOKEN": "secret:hunter2", "A": "1"}`, "buildArgs.TOKEN",
			"RUN --mount=type=secret,id=…), or say that it is not a secret (unsecret)",
		},
		"as a proxy's": {
			`"buildArgs": {"HTTP_PROXY": "secret:http://u:p@proxy:3128"}`, "buildArgs.HTTP_PROXY",
			"so it cannot be a secret",
		},
		"with an odd name": {
			`"buildArgs": {"B.\"C": "secret:hunter2"}`, `buildArgs["B.\"C"]`, "so it cannot be a secret",
		},
		"as a label": {`"labels": {"l": "secret:hunter2"}`, "labels.l", "can be read by everybody who has the image"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantOneFailure(t, `{"context": {"location": "APP"}, `+c.inputs+`}`, c.path, c.reason)
		})
	}
}

// The engine prints the value of a failed input if the failure names the whole input.
func TestCheckNamesNoInputWhoseValueIsASecret(t *testing.T) {
	t.Parallel()
	wantOneFailure(t, `{"context": {"location": "APP"}, "secrets": "hunter2"}`, "", "secrets: ")
	wantOneFailure(t, `{"context": {"location": "APP"}, "target": "secret:hunter2"}`, "",
		"target: this is not valid; the reason is not shown")
}

func TestCheckRefusesAMapOfSecrets(t *testing.T) {
	t.Parallel()
	inputs := props(t, `{"context": {"location": "APP"}, "buildArgs": {"A": "1"}}`)
	location := property.New(newBuildContext(t))
	inputs = inputs.Set("context", property.New(map[string]property.Value{"location": location}))
	res, err := serve(t).Check(p.CheckRequest{
		Urn: urn, Inputs: inputs.Set("buildArgs", inputs.Get("buildArgs").WithSecret(true)),
	})
	if err != nil || len(res.Failures) != 1 || res.Failures[0].Property != "buildArgs.A" {
		t.Errorf("got %+v, %v", res.Failures, err)
	}
}

func TestSecretsThatAreNotKnownYet(t *testing.T) {
	t.Parallel()
	for name, secrets := range map[string]string{
		"a value":  `"secrets": {"a": "?", "b": "hunter2-canary"}`,
		"all":      `"secrets": "?"`,
		"a source": `"secretSources": {"a": {"env": "?"}}`,
		"a place":  `"secretSources": {"a": "?"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			res := runCheck(t, `{"context": {"location": "APP"}, `+secrets+`}`)
			if len(res.Failures) > 0 || len(text(res.Inputs, "contextHash")) != 64 {
				t.Errorf("failures %v, contextHash %v", res.Failures, res.Inputs.Get("contextHash"))
			}
			if v := res.Inputs.Get("secrets"); !v.IsNull() && !v.Secret() {
				t.Errorf("the secrets are none any more: %#v", v)
			}
			if isKnown(res.Inputs, buildInputs...) {
				t.Error("the preview would build without them")
			}
		})
	}
}

// A secret input stays secret. No output contains it, and no output becomes secret because of it.
func TestSecretsReachNoOutput(t *testing.T) {
	t.Parallel()
	const canary = "hunter2-canary"
	r := newRemembered(t)
	inputs := r.newInputs(t, "app:v1").
		Set("secrets", property.New(map[string]property.Value{"npm": property.New(canary)})).
		Set("registries",
			props(t, `{"r": [{"address": "a.io", "username": "u", "password": "secret:`+canary+`"}]}`).Get("r"))
	checked, err := r.server.Check(p.CheckRequest{
		Urn: urn, Inputs: inputs.Set("context", property.New(map[string]property.Value{
			"location": property.New(newBuildContext(t))})),
	})
	if err != nil || len(checked.Failures) > 0 {
		t.Fatal(checked.Failures, err)
	}
	if !checked.Inputs.Get("secrets").HasSecrets() {
		t.Error("the secrets are none")
	}
	res, err := r.update(inputs)
	if err != nil {
		t.Fatal(err)
	}
	if outputs := property.New(res.Properties); outputs.HasSecrets() ||
		strings.Contains(fmt.Sprintf("%#v", outputs), canary) {
		t.Errorf("outputs: %#v", outputs)
	}
	rotated := inputs.Set("secrets", property.New(map[string]property.Value{"npm": property.New("another")}))
	diff, err := r.server.Diff(p.DiffRequest{
		ID: "app", Urn: urn, State: res.Properties, OldInputs: inputs, Inputs: rotated,
	})
	if err != nil || diff.HasChanges {
		t.Errorf("another secret: %+v, %v", diff, err)
	}
}

func TestSecretSourcesAreReadWhenABuildAsks(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("from a file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("BUILD_TOKEN", "from the environment")
	t.Setenv("EMPTY_TOKEN", "")
	env := func(name string) SecretSource { return SecretSource{Env: &name} }
	at := func(path string) SecretSource { return SecretSource{File: &path} }
	cases := map[string]struct {
		source SecretSource
		want   string
	}{
		"a variable": {env("BUILD_TOKEN"), "from the environment"},
		"a file":     {at(file), "from a file\n"},
		"a variable not set": {
			env("NO_TOKEN"), "the environment variable NO_TOKEN is not set: set it where pulumi runs",
		},
		"an empty variable":      {env("EMPTY_TOKEN"), "the environment variable EMPTY_TOKEN is empty"},
		"a file that is missing": {at("nowhere/token"), "open nowhere/token: no such file or directory"},
	}
	for name, c := range cases {
		value, err := secretsOf(ImageArgs{SecretSources: map[string]SecretSource{"a": c.source}})["a"](t.Context())
		if got := fmt.Sprint(string(value)); err != nil && err.Error() != c.want || err == nil && got != c.want {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
}
