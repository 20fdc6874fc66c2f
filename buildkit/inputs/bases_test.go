package inputs

import (
	"strings"
	"testing"
)

// baseCase is a case of TestBases.
type baseCase struct {
	dockerfile string
	plan       Plan
	want       string
}

// zeroDigest is a digest, with the @ before it.
var zeroDigest = "@sha256:" + strings.Repeat("0", 64)

// baseCases are the cases of TestBases, by name.
var baseCases = map[string]baseCase{
	"a name":             {dockerfile: "FROM alpine", want: "docker.io/library/alpine:latest"},
	"a tag":              {dockerfile: "FROM ghcr.io/a/b:1", want: "ghcr.io/a/b:1"},
	"a digest":           {dockerfile: "FROM alpine" + zeroDigest, want: ""},
	"a tag and a digest": {dockerfile: "FROM alpine:3" + zeroDigest, want: ""},
	"nothing":            {dockerfile: "FROM scratch\nCOPY a /", want: ""},
	"a stage":            {dockerfile: "FROM alpine AS a\nFROM a", want: "docker.io/library/alpine:latest"},
	"a copy": {
		dockerfile: "FROM scratch\nCOPY --from=busybox /a /",
		want:       "docker.io/library/busybox:latest",
	},
	"a mount": {
		dockerfile: "FROM scratch\nRUN --mount=from=busybox,target=/m [\"/m/ls\"]",
		want:       "docker.io/library/busybox:latest",
	},
	"an unused stage": {dockerfile: "FROM golang AS x\nFROM alpine", want: "docker.io/library/alpine:latest"},
	"a target": {
		dockerfile: "FROM golang AS x\nFROM alpine",
		plan:       Plan{Target: "x"},
		want:       "docker.io/library/golang:latest",
	},
	"a test target": {
		dockerfile: "FROM golang AS x\nFROM alpine",
		plan:       Plan{TestTargets: []string{"x"}},
		want:       "docker.io/library/alpine:latest docker.io/library/golang:latest",
	},
	"an argument": {dockerfile: "ARG V=1\nFROM a/b:$V", want: "docker.io/a/b:1"},
	"a given argument": {
		dockerfile: "ARG V=1\nFROM a/b:$V",
		plan:       Plan{BuildArgs: map[string]string{"V": "2"}},
		want:       "docker.io/a/b:2",
	},
	"an unknown argument": {
		dockerfile: "ARG V=1\nFROM a/b:$V",
		plan:       Plan{BuildArgs: map[string]string{"V": ""}, UnknownArgs: []string{"V"}},
		want:       "?",
	},
	"another unknown one": {
		dockerfile: "FROM a/b\nARG V\nRUN $V",
		plan:       Plan{BuildArgs: map[string]string{"V": ""}, UnknownArgs: []string{"V"}},
		want:       "docker.io/a/b:latest",
	},
	"by platform": {
		dockerfile: "ARG TARGETARCH\nFROM a/b:$TARGETARCH",
		plan:       Plan{Platforms: []string{"linux/arm64"}},
		want:       "docker.io/a/b:arm64",
	},
	"by an unsaid platform": {dockerfile: "ARG TARGETARCH\nFROM a/b:$TARGETARCH", want: "?"},
	"a named context": {
		dockerfile: "FROM a/b",
		plan:       Plan{Files: Files{Named: map[string]string{"a/b": "docker-image://c/d:1"}}},
		want:       "docker.io/c/d:1",
	},
	"another frontend":    {dockerfile: "# syntax=example.com/mine\nFROM a/b", want: "?"},
	"a remote Dockerfile": {plan: Plan{Files: Files{Context: "https://example.com/a.git"}}, want: "?"},
	"attested": {
		dockerfile: "FROM a/b",
		plan:       Plan{Provenance: "max", SBOM: "c/d"},
		want:       "docker.io/a/b:latest",
	},
}

// Each build has one base image, for the reason that is given at TestPredict.
func TestBases(t *testing.T) {
	t.Parallel()
	for name, c := range baseCases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if c.plan.Files.Inline = []byte(c.dockerfile); c.plan.Files.Context == "" {
				c.plan.Files.Context = t.TempDir()
			}
			got := "?"
			if bases, certain, _ := Bases(t.Context(), c.plan); certain {
				got = strings.Join(bases, " ")
			}
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// Those of a digest are named by it alone, and so are those that are pinned.
func TestBaseImages(t *testing.T) {
	t.Parallel()
	zeros, ones := "sha256:"+strings.Repeat("0", 64), "sha256:"+strings.Repeat("1", 64)
	for name, c := range map[string]struct {
		dockerfile string
		plan       Plan
		want       string
	}{
		"a tag":              {dockerfile: "FROM alpine:3", want: "docker.io/library/alpine:3"},
		"a digest":           {dockerfile: "FROM a/b@" + zeros, want: "docker.io/a/b@" + zeros},
		"a tag and a digest": {dockerfile: "FROM a/b:1@" + zeros, want: "docker.io/a/b@" + zeros},
		"an argument": {
			dockerfile: "ARG P\nFROM $P", plan: Plan{
				BuildArgs: map[string]string{"P": "x.io/b@" + zeros},
			}, want: "x.io/b@" + zeros,
		},
		"a copy": {dockerfile: "FROM scratch\nCOPY --from=x.io/b@" + zeros + " /a /", want: "x.io/b@" + zeros},
		"a named context": {
			dockerfile: "FROM parent", want: "x.io/b@" + zeros,
			plan: Plan{Files: Files{Named: map[string]string{"parent": "docker-image://x.io/b@" + zeros}}},
		},
		"pinned": {
			dockerfile: "FROM a/b:1", want: "docker.io/a/b@" + ones,
			plan: Plan{BaseDigests: map[string]string{"docker.io/a/b:1": ones}},
		},
		"of a platform": {dockerfile: "ARG TARGETARCH\nFROM a/b:$TARGETARCH", want: "?"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.plan.Files.Inline, c.plan.Files.Context = []byte(c.dockerfile), t.TempDir()
			got := "?"
			if images, certain, _ := BaseImages(t.Context(), c.plan); certain {
				got = strings.Join(images, " ")
			}
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
