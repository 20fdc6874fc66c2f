package buildkit

import (
	"encoding/json"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestPlanBecomesOptions(t *testing.T) {
	t.Parallel()
	plans := map[string]struct {
		plan Plan
		text Definition
	}{
		"least": {text: Definition{Name: "Dockerfile", Dockerfile: []byte("FROM scratch")}},
		"all": {
			text: Definition{Name: "Dockerfile.prod", Dockerfile: []byte("# syntax=docker/dockerfile:1\nFROM scratch")},
			plan: Plan{
				Files:        Files{Named: map[string]string{"go": "", "dockerfile": ""}},
				Platforms:    []string{"linux/amd64", "linux/arm64"},
				Target:       "app",
				BuildArgs:    map[string]string{"VERSION": "1", "EMPTY": ""},
				Labels:       map[string]string{"org.opencontainers.image.title": "a,b=c"},
				Annotations:  map[string]string{"org.opencontainers.image.source": "https://a,b=c"},
				TestTargets:  []string{"test"},
				Network:      "none",
				Hosts:        []Host{{"db", netip.MustParseAddr("10.0.0.5")}, {"six", netip.MustParseAddr("fd00::5")}},
				NoCache:      true,
				Epoch:        new(int64),
				Provenance:   "max",
				SBOM:         "docker/buildkit-syft-scanner:stable-1",
				Repositories: []string{"registry.example.com/a", "docker.io/user/b"},
			},
		},
	}
	for name, c := range plans {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := json.MarshalIndent(map[string]any{"frontend": c.plan.frontendAttrs(c.text), "exports": c.plan.image(c.plan.Repositories).Attrs}, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			golden(t, filepath.Join("testdata", "options-"+name+".json"), append(got, '\n'))
		})
	}
}

// One export is as lax with all its repositories as with one.
func TestAPasswordGoesOverPlainHTTPOnlyWhereItMay(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"": "a,b ", "b": "a  b true", "a,b": "a,b true"} {
		p := Plan{Repositories: []string{"a", "b"}}
		if text != "" {
			p.Insecure = strings.Split(text, ",")
		}
		var got []string
		for _, e := range p.images() {
			got = append(got, e.Attrs["name"]+" "+e.Attrs["registry.insecure"])
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("%s is different; if that is meant, run the test with -update\ngot:\n%s\nwant:\n%s", path, got, want)
	}
}

func TestOfficialSyntaxIsServedHere(t *testing.T) {
	t.Parallel()
	cases := map[string]bool{
		"FROM scratch":                                           false,
		"# syntax=docker/dockerfile:1\n":                         true,
		"# syntax=docker/dockerfile\n":                           true,
		"# syntax=docker.io/docker/dockerfile:1.7\n":             true,
		"# syntax=docker/dockerfile:1.7.1\n":                     true,
		"# syntax=docker/dockerfile:1.27\n":                      true,
		"# syntax=docker/dockerfile:1.28\n":                      false,
		"# syntax=docker/dockerfile:2\n":                         false,
		"# syntax=docker/dockerfile:1-labs\n":                    false,
		"# syntax=docker/dockerfile:1.7-labs\n":                  false,
		"# syntax=docker/dockerfile:1@sha256:aaaa\n":             false,
		"# syntax=docker/dockerfile-upstream:master\n":           false,
		"# syntax=ghcr.io/docker/dockerfile:1\n":                 false,
		"// syntax=docker/dockerfile:1\nFROM scratch":            true,
		"#!/usr/bin/env x\n# syntax=docker/dockerfile:1\nFROM a": true,
	}
	for text, want := range cases {
		if _, got := officialSyntax([]byte(text)); got != want {
			t.Errorf("%q: served here: %v, want %v", text, got, want)
		}
	}
}
