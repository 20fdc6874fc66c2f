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
