package inputs

import (
	"context"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// syntaxArg is the build argument that names the frontend, whatever the Dockerfile's "# syntax=" line says. BuildKit
// acts on it without an ARG
// (https://github.com/moby/buildkit/blob/master/frontend/dockerfile/docs/reference.md#buildkit-built-in-build-args).
const syntaxArg = "BUILDKIT_SYNTAX"

// ownFrontend is the value of BUILDKIT_SYNTAX that asks for the frontend of the daemon.
const ownFrontend = "dockerfile.v0"

// frontendMinor is the minor version of the Dockerfile frontend in the BuildKit release that this module is built with:
// v0.33 goes with docker/dockerfile:1.27.
const frontendMinor = 27

// IsOwnSyntax tells whether a value of BUILDKIT_SYNTAX asks for the frontend that BuildKit has itself.
func IsOwnSyntax(value string) bool {
	words := strings.Fields(value)
	return len(words) > 0 && words[0] == ownFrontend
}

// Frontend returns the reference of the image that interprets the Dockerfile of a plan, and "" if BuildKit itself does.
// ok is false if the text is not on this machine, so that nobody knows.
func Frontend(ctx context.Context, plan Plan) (ref string, ok bool) {
	syntax, isGiven := plan.BuildArgs[syntaxArg]
	if !isGiven {
		texts, err := readTexts(ctx, plan.Files)
		if err != nil || len(texts.Dockerfile) == 0 {
			return "", false
		}
		if _, isServed := officialSyntax(texts.Dockerfile); isServed {
			return "", true
		}
		_, syntax, _, _ = parser.DetectSyntax(texts.Dockerfile)
	}
	words := strings.Fields(syntax)
	if len(words) == 0 || IsOwnSyntax(syntax) {
		return "", true
	}
	return words[0], true
}

// officialSyntax returns the Dockerfile's "# syntax=" line. It returns false if that line does not ask for the official
// frontend, or asks for one that this program cannot stand in for: labs, a digest, a newer version, another image.
//
// This program holds a copy of the official frontend and serves such a build itself. Otherwise every such Dockerfile,
// most in the world, would first pull an image from Docker Hub. Other frontends are forwarded as asked.
func officialSyntax(dockerfile []byte) (string, bool) {
	_, line, _, ok := parser.DetectSyntax(dockerfile)
	if !ok {
		return "", false
	}
	words := strings.Fields(line)
	if len(words) == 0 {
		return "", false
	}
	ref := strings.TrimPrefix(words[0], "docker.io/")
	name, tag, _ := strings.Cut(ref, ":")
	if name != "docker/dockerfile" || !isServedTag(tag) {
		return "", false
	}
	return line, true
}

// isServedTag accepts "", "1", and "1.N" or "1.N.P" up to the minor version of the frontend in this program.
func isServedTag(tag string) bool {
	if tag == "" || tag == "1" {
		return true
	}
	major, rest, _ := strings.Cut(tag, ".")
	minor, patch, _ := strings.Cut(rest, ".")
	n, ok := parseNumber(minor)
	_, patchOK := parseNumber(patch)
	return major == "1" && ok && n <= frontendMinor && (patch == "" || patchOK)
}

// parseNumber returns the value of at most four decimal digits, and false for any other text.
func parseNumber(s string) (n int, ok bool) {
	for _, c := range s {
		if c < '0' || c > '9' || len(s) > 4 {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, s != ""
}
