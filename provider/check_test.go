package provider

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// app is a directory with a Dockerfile that builds.
func app(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte("FROM scratch AS app\nCOPY . "+
		"/\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

func check(t *testing.T, inputs string) p.CheckResponse {
	t.Helper()
	res, err := serve(t).Check(p.CheckRequest{Urn: urn, Inputs: props(t, strings.ReplaceAll(inputs, "APP", app(t)))})
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func TestCheckFillsTheContextHash(t *testing.T) {
	t.Parallel()
	res := check(t, `{"context": {"location": "APP"}}`)
	if len(res.Failures) > 0 {
		t.Fatal(res.Failures)
	}
	hash := text(res.Inputs, "contextHash")
	if len(hash) != 64 {
		t.Errorf("contextHash %q", hash)
	}
	if again := text(check(t, `{"context": {"location": "APP"}}`).Inputs, "contextHash"); again != hash {
		t.Errorf("%s in one checkout, %s in another", hash, again)
	}
}

func TestCheckKeepsAGivenContextHash(t *testing.T) {
	t.Parallel()
	res := check(t, `{"context": {"location": "APP"}, "contextHash": "by hand"}`)
	if got := text(res.Inputs, "contextHash"); got != "by hand" || len(res.Failures) > 0 {
		t.Errorf("contextHash %q, failures %v", got, res.Failures)
	}
}

// One mistake each: the property that it is reported under and the words that say what to do.
func TestCheckNamesTheMistake(t *testing.T) {
	t.Parallel()
	cases := map[string]struct{ inputs, property, reason string }{
		"no such context": {
			`{"context": {"location": "./nope"}}`, "context.location", `"./nope": no such directory: there is no /`,
		},
		"context is a file": {
			`{"context": {"location": "APP/Dockerfile"}, "dockerfile": {"inline": "FROM scratch"}}`, "context.location",
			"is not a directory",
		},
		"unknown scheme of it": {
			`{"context": {"location": "s3://bucket/a.tar"}, "dockerfile": {"inline": "FROM scratch"}}`,
			"context.location", "s3:// is not known",
		},
		"no named context": {
			`{"context": {"location": "APP", "named": {"go": {"location": "nope"}}}}`, "context.named.go.location",
			"no such directory",
		},
		"named context nowhere": {
			`{"context": {"location": "APP", "named": {"a": {"location": ""}}}}`, "context.named.a.location",
			"needs a location",
		},
		"one name twice": {
			`{"context": {"location": "APP", "named": {"a": {"location": "APP"}, "a:latest": {"location": "APP"}}}}`,
			`context.named["a:latest"]`, "are one name",
		},
		"odd context name": {
			`{"context": {"location": "APP", "named": {"GO!": {"location": "APP"}}}}`, `context.named["GO!"]`,
			"cannot be the name of a context",
		},
		"no Dockerfile": {
			`{"context": {"location": "APP"}, "dockerfile": {"location": "APP/nope"}}`, "dockerfile.location",
			"no Dockerfile at ",
		},
		"a device": {
			`{"context": {"location": "APP"}, "dockerfile": {"location": "/dev/zero"}}`, "dockerfile.location",
			"read /dev/zero: it is a FIFO, a socket or a device: it has to be a regular file",
		},
		"both forms": {
			`{"context": {"location": "APP"}, "dockerfile": {"location": "a", "inline": "b"}}`, "dockerfile",
			"either location or inline, not both",
		},
		"syntax error": {
			`{"context": {"location": "APP"}, "dockerfile": {"inline": "FROM scratch\nRUNN x"}}`, "dockerfile.inline",
			"line 2: unknown instruction: RUNN (did you mean RUN?)",
		},
		"no such stage": {
			`{"context": {"location": "APP"}, "target": "ap"}`, "target", `no stage "ap": it has app`,
		},
		"unknown architecture": {
			`{"context": {"location": "APP"}, "platforms": ["linux/amd64", "linux/amd46"]}`, "platforms[1]",
			`"linux/amd46" is not a platform`,
		},
		"not a platform": {
			`{"context": {"location": "APP"}, "platforms": ["arm64"]}`, "platforms[0]", "write os/architecture",
		},
		"capitals": {
			`{"context": {"location": "APP"}, "tags": ["a.io/App:1"]}`, "tags[0]", "write a.io/app:1",
		},
		"Docker Hub by mistake": {
			`{"context": {"location": "APP"}, "tags": ["app:1"]}`, "tags[0]", "docker.io/library/app",
		},
		"push without tags": {
			`{"context": {"location": "APP"}, "push": true}`, "push", "there is nothing to push to: add tags",
		},
		"login without host": {
			`{"context": {"location": "APP"}, "registries": [{"address": " "}]}`, "registries[0].address",
			"needs the host",
		},
		"CA of nobody": {
			`{"context": {"location": "APP"}, "registries": [{"address": "a.io", "caFile": "ca.pem", ` +
				`"insecure": true}]}`,
			"registries[0].caFile", "of no use beside insecure",
		},
		"no endpoint": {
			`{"context": {"location": "APP"}, "builder": {"endpoint": "tcp://host"}}`, "builder.endpoint", "has a port",
		},
		"unknown scheme": {
			`{"context": {"location": "APP"}, "builder": {"endpoint": "ftp://host:1"}}`, "builder.endpoint",
			"the scheme ftp:// is not known",
		},
		"unknown watch": {`{"context": {"location": "APP"}, "watch": "some"}`, "watch", "it is auto or all"},
		"unknown property": {
			`{"context": {"location": "APP"}, "tag": "a"}`, "tag", "there is no such property here; there are ",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			failures := check(t, c.inputs).Failures
			if len(failures) != 1 || failures[0].Property != c.property ||
				!strings.Contains(failures[0].Reason, c.reason) {
				t.Errorf("got %+v, want %s: %s", failures, c.property, c.reason)
			}
		})
	}
}

func TestCheckReportsAllMistakesAtOnce(t *testing.T) {
	t.Parallel()
	res := check(t, `{"context": {"location": "nope"}, "dockerfile": {"inline": "RUNN"}, "platforms": ["mars/1"],
		"tags": ["A", "b:c:d"],
		"push": "yes", "bogus": 1}`)
	properties := map[string]bool{}
	for _, f := range res.Failures {
		properties[f.Property] = true
	}
	want := []string{"bogus", "context.location", "dockerfile.inline", "platforms[0]", "push", "tags[0]", "tags[1]"}
	if got := slices.Sorted(maps.Keys(properties)); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// What is unknown in a preview is neither wrong nor missing.
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
			res := check(t, inputs)
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

// A message quotes what is wrong, but no secret.
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
		"good tag":      `{"context": {"location": "APP"}, "tags": ["secret:a.io/hunter2-canary:1"]}`,
		"target":        `{"context": {"location": "APP"}, "target": "secret:CANARY"}`,
		"endpoint":      `{"context": {"location": "APP"}, "builder": {"endpoint": "secret:CANARY"}}`,
		"watch":         `{"context": {"location": "APP"}, "watch": "secret:CANARY"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			res := check(t, strings.ReplaceAll(inputs, "CANARY", canary))
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
	res := check(t, `{"context": {"location": "nope"}, "registries": [{"address": "a.io", "username": "u", `+
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

// A context that the daemon fetches counts by where it is.
func TestCheckTakesRemoteContexts(t *testing.T) {
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
		res := check(t, inputs)
		hash := text(res.Inputs, "contextHash")
		if other := hashes[hash]; len(res.Failures) > 0 || hash == "" || other != "" {
			t.Errorf("%s: hash %s, as %s, failures %v", inputs, hash, other, res.Failures)
		}
		hashes[hash] = inputs
	}
}

// Another Image's hash says when to build, not what.
func TestAGivenHashTakesNoOtherImagesRecord(t *testing.T) {
	t.Parallel()
	r := newImageResource(&settings{})
	operationOf := func(urn resource.URN, inputs string) operation {
		t.Helper()
		res, err := r.Check(t.Context(), p.CheckRequest{
			Urn: urn, Inputs: props(t, strings.ReplaceAll(inputs, "APP", app(t))),
		})
		if err != nil || len(res.Failures) > 0 {
			t.Fatal(err, res.Failures)
		}
		op, err := newOperation(t.Context(), urn, res.Inputs, state{})
		if err != nil {
			t.Fatal(err)
		}
		return op
	}
	first := operationOf(urn, `{"context": {"location": "APP"}}`)
	if r.recorded(first) == nil {
		t.Error("Check recorded nothing")
	}
	hash := *first.args.ContextHash
	if r.recorded(operationOf(urn+"2", `{"context": {"location": "APP"}, "contextHash": "`+hash+`"}`)) != nil {
		t.Error("the other Image would build the first one's files")
	}
	if r.recorded(operationOf(urn, `{"context": {"location": "APP"}, "contextHash": "`+hash+`"}`)) != nil {
		t.Error("a hash given by hand stands for the record of an earlier Check")
	}
}
