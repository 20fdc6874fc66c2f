package inputs

import "testing"

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

// The frontend is that of BUILDKIT_SYNTAX, else of the line in the Dockerfile, else BuildKit's own.
func TestFrontend(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		dockerfile, syntax, want string
		unknown                  bool
	}{
		"none":     {dockerfile: "FROM scratch\n"},
		"official": {dockerfile: "# syntax=docker/dockerfile:1\nFROM scratch\n"},
		"a line":   {dockerfile: "# syntax=localhost:5000/fe:1 x\nFROM scratch\n", want: "localhost:5000/fe:1"},
		"arg": {
			dockerfile: "# syntax=a/b\nFROM scratch\n", syntax: "localhost:5000/fe", want: "localhost:5000/fe",
		},
		"own":        {dockerfile: "# syntax=a/b\nFROM scratch\n", syntax: "dockerfile.v0"},
		"not here":   {unknown: true},
		"arg, known": {syntax: "localhost:5000/fe", want: "localhost:5000/fe"},
	} {
		plan := Plan{Files: Files{Context: "https://example.com/app.git"}}
		if c.dockerfile != "" {
			plan.Files.Inline = []byte(c.dockerfile)
		}
		if c.syntax != "" {
			plan.BuildArgs = map[string]string{"BUILDKIT_SYNTAX": c.syntax}
		}
		if got, ok := Frontend(t.Context(), plan); got != c.want || ok == c.unknown {
			t.Errorf("%s: %q, %t", name, got, ok)
		}
	}
}
