package provider

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// newBuildContext returns a new folder with a Dockerfile that builds.
func newBuildContext(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte("FROM scratch AS app\nCOPY . "+
		"/\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// runCheck returns what Check answers to inputs in JSON, in which APP stands for a new build context.
func runCheck(t *testing.T, inputs string) p.CheckResponse {
	t.Helper()
	res, err := serve(t).Check(p.CheckRequest{
		Urn: urn, Inputs: props(t, strings.ReplaceAll(inputs, "APP", newBuildContext(t))),
	})
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func TestCheckFillsTheContextHash(t *testing.T) {
	t.Parallel()
	res := runCheck(t, `{"context": {"location": "APP"}}`)
	if len(res.Failures) > 0 {
		t.Fatal(res.Failures)
	}
	hash := text(res.Inputs, "contextHash")
	if len(hash) != 64 {
		t.Errorf("contextHash %q", hash)
	}
	if again := text(runCheck(t, `{"context": {"location": "APP"}}`).Inputs, "contextHash"); again != hash {
		t.Errorf("%s in one checkout, %s in another", hash, again)
	}
}

func TestCheckKeepsAGivenContextHash(t *testing.T) {
	t.Parallel()
	res := runCheck(t, `{"context": {"location": "APP"}, "contextHash": "by hand"}`)
	if got := text(res.Inputs, "contextHash"); got != "by hand" || len(res.Failures) > 0 {
		t.Errorf("contextHash %q, failures %v", got, res.Failures)
	}
}

// An unknown value counts neither as wrong nor as missing.
func TestCheckLeavesTheUnknownAlone(t *testing.T) {
	t.Parallel()
	cases := map[string]string{
		"context":        `{"context": "?"}`,
		"location":       `{"context": {"location": "?"}}`,
		"named context":  `{"context": {"location": "APP", "named": {"go": {"location": "?"}}}}`,
		"Dockerfile":     `{"context": {"location": "APP"}, "dockerfile": {"inline": "?"}}`,
		"platform":       `{"context": {"location": "APP"}, "platforms": ["?"]}`,
		"tag":            `{"context": {"location": "APP"}, "tags": ["?"], "push": true}`,
		"tags":           `{"context": {"location": "APP"}, "tags": "?", "push": true}`,
		"target":         `{"context": {"location": "APP"}, "target": "?"}`,
		"build argument": `{"context": {"location": "APP"}, "buildArgs": {"A": "?", "B": "2"}}`,
		"password": `{"context": {"location": "APP"}, "registries": [{"address": "?", "username": "u", ` +
			`"password": "?"}]}`,
		"builder": `{"context": {"location": "APP"}, "builder": {"endpoint": "?"}}`,
	}
	for name, inputs := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			res := runCheck(t, inputs)
			if len(res.Failures) > 0 {
				t.Errorf("failures: %v", res.Failures)
			}
			reads := strings.Contains(name, "context") || name == "location" || name == "Dockerfile" ||
				name == "platform" || name == "target"
			if got := res.Inputs.Get("contextHash").IsComputed(); got != reads {
				t.Errorf("contextHash is unknown: %v, want %v", got, reads)
			}
			for k, v := range props(t, strings.ReplaceAll(inputs, "APP", "")).All {
				if v.HasComputed() && !res.Inputs.Get(k).HasComputed() {
					t.Errorf("%s is known now: %#v", k, res.Inputs.Get(k))
				}
			}
		})
	}
}

// A failure quotes the invalid value, unless that is a secret.
func TestCheckQuotesNoSecret(t *testing.T) {
	t.Parallel()
	const canary = "Hunter2-Canary"
	for name, inputs := range map[string]string{
		"context":       `{"context": {"location": "secret:CANARY"}, "dockerfile": {"inline": "FROM scratch"}}`,
		"named context": `{"context": {"location": "APP", "named": {"a": {"location": "secret:CANARY"}}}}`,
		"Dockerfile":    `{"context": {"location": "APP"}, "dockerfile": {"location": "secret:CANARY"}}`,
		"text":          `{"context": {"location": "APP"}, "dockerfile": {"inline": "secret:CANARY"}}`,
		"platform":      `{"context": {"location": "APP"}, "platforms": ["secret:CANARY"]}`,
		"tag":           `{"context": {"location": "APP"}, "tags": ["secret:CANARY"]}`,
		"valid tag":     `{"context": {"location": "APP"}, "tags": ["secret:a.io/hunter2-canary:1"]}`,
		"target":        `{"context": {"location": "APP"}, "target": "secret:CANARY"}`,
		"endpoint":      `{"context": {"location": "APP"}, "builder": {"endpoint": "secret:CANARY"}}`,
		"watch":         `{"context": {"location": "APP"}, "watch": "secret:CANARY"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			res := runCheck(t, strings.ReplaceAll(inputs, "CANARY", canary))
			if len(res.Failures) == 0 {
				t.Error("no failure")
			}
			for _, f := range res.Failures {
				if strings.Contains(strings.ToLower(f.Reason), strings.ToLower(canary)) {
					t.Errorf("%s: %s", f.Property, f.Reason)
				}
			}
		})
	}
}

func TestCheckKeepsSecretsSecret(t *testing.T) {
	t.Parallel()
	const canary = "hunter2-canary"
	res := runCheck(t, `{"context": {"location": "nope"}, "registries": [{"address": "a.io", "username": "u", `+
		`"password": "`+canary+`"}]}`)
	password := res.Inputs.Get("registries").AsArray().Get(0).AsMap().Get("password")
	if !password.Secret() {
		t.Error("the password is no secret")
	}
	for _, f := range res.Failures {
		if strings.Contains(f.Reason, canary) {
			t.Errorf("a failure tells the password: %v", f)
		}
	}
}

// For a context that the daemon fetches, contextHash covers the location only.
func TestCheckHashesRemoteContextsByLocation(t *testing.T) {
	t.Parallel()
	hashes := map[string]string{}
	for _, inputs := range []string{
		`{"context": {"location": "https://example.com/a.git#v1"}}`,
		`{"context": {"location": "https://example.com/a.git#v2"}}`,
		`{"context": {"location": "https://example.com/a.tar.gz"}}`,
		`{"context": {"location": "https://example.com/a.tar.gz"}, "dockerfile": {"inline": "FROM scratch"}}`,
		`{"context": {"location": "APP", "named": {"base": {"location": "docker-image://example.com/base:1"}}}, ` +
			`"dockerfile": {"inline": "FROM base"}}`,
		`{"context": {"location": "APP", "named": {"base": {"location": "https://example.com/a.git"}}}, ` +
			`"dockerfile": {"inline": "FROM base"}}`,
	} {
		res := runCheck(t, inputs)
		hash := text(res.Inputs, "contextHash")
		if other := hashes[hash]; len(res.Failures) > 0 || hash == "" || other != "" {
			t.Errorf("%s: hash %q (also of %q), failures %v", inputs, hash, other, res.Failures)
		}
		hashes[hash] = inputs
	}
}

// An Image that gets the contextHash of another Image is built when that hash changes, but from its own files.
func TestAGivenHashDoesNotSelectRecordedInputs(t *testing.T) {
	t.Parallel()
	r := newImageResource(&settings{})
	operationAfterCheck := func(urn resource.URN, inputs string) operation {
		t.Helper()
		res, err := r.Check(t.Context(), p.CheckRequest{
			Urn: urn, Inputs: props(t, strings.ReplaceAll(inputs, "APP", newBuildContext(t))),
		})
		if err != nil || len(res.Failures) > 0 {
			t.Fatal(err, res.Failures)
		}
		return operationOf(t, urn, res.Inputs, state{})
	}
	first := operationAfterCheck(urn, `{"context": {"location": "APP"}}`)
	if r.loader.fromCheck(first) == nil {
		t.Error("Check recorded nothing")
	}
	withHash := `{"context": {"location": "APP"}, "contextHash": "` + *first.args.ContextHash + `"}`
	if r.loader.fromCheck(operationAfterCheck(urn+"2", withHash)) != nil {
		t.Error("the other Image would build the first one's files")
	}
	if r.loader.fromCheck(operationAfterCheck(urn, withHash)) != nil {
		t.Error("a hash given by hand made the build use the inputs that an earlier Check recorded")
	}
}
