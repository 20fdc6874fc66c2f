package provider

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// mistakes holds inputs with one mistake each: the property of the failure and a part of its reason.
var mistakes = map[string]struct{ inputs, property, reason string }{
	"no such context": {
		`{"context": {"location": "./nope"}}`, "context.location", `"./nope": no such folder: there is no /`,
	},
	"context is a file": {
		`{"context": {"location": "APP/Dockerfile"}, "dockerfile": {"inline": "FROM scratch"}}`, "context.location",
		"is not a folder",
	},
	"unknown scheme of it": {
		`{"context": {"location": "s3://bucket/a.tar"}, "dockerfile": {"inline": "FROM scratch"}}`,
		"context.location", "s3:// is not known",
	},
	"no named context": {
		`{"context": {"location": "APP", "named": {"go": {"location": "nope"}}}}`, "context.named.go.location",
		"no such folder",
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
		"registries[0].caFile", "no effect with insecure",
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

// Each case has one mistake. Check reports it under this property, and says what to do.
func TestCheckNamesTheMistake(t *testing.T) {
	t.Parallel()
	for name, c := range mistakes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			failures := runCheck(t, c.inputs).Failures
			if len(failures) != 1 || failures[0].Property != c.property ||
				!strings.Contains(failures[0].Reason, c.reason) {
				t.Errorf("got %+v, want %s: %s", failures, c.property, c.reason)
			}
		})
	}
}

func TestCheckReportsAllMistakesAtOnce(t *testing.T) {
	t.Parallel()
	res := runCheck(t, `{"context": {"location": "nope"}, "dockerfile": {"inline": "RUNN"}, "platforms": ["mars/1"],
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
