package provider

import (
	"strings"
	"testing"
)

// wrongArguments holds build arguments that Check refuses: the path of the failure and a part of its reason.
var wrongArguments = map[string]struct{ inputs, path, reason string }{
	"an index, not true": {
		`"buildArgs": {"BUILDKIT_MULTI_PLATFORM": "yes"}`, "buildArgs.BUILDKIT_MULTI_PLATFORM",
		`"yes" is neither true nor false: write 1 or 0`,
	},
	"two without an index": {
		`"platforms": ["linux/amd64", "linux/arm64"], "buildArgs": {"BUILDKIT_MULTI_PLATFORM": "0"}`,
		"buildArgs.BUILDKIT_MULTI_PLATFORM",
		"a build for several platforms always makes an index: remove this argument",
	},
	"an index to load": {
		`"load": true, "buildArgs": {"BUILDKIT_MULTI_PLATFORM": "1"}`, "buildArgs.BUILDKIT_MULTI_PLATFORM",
		"load and docker exports do not take",
	},
	"an index, by docker": {
		`"exports": [{"docker": {"dest": "a"}}], "buildArgs": {"BUILDKIT_MULTI_PLATFORM": "1"}`,
		"buildArgs.BUILDKIT_MULTI_PLATFORM", "remove this argument, or remove them",
	},
	"no checks": {
		`"buildArgs": {"BUILDKIT_DOCKERFILE_CHECK": "strict"}`, "buildArgs.BUILDKIT_DOCKERFILE_CHECK",
		`"strict" is not a list of checks: write skip=<check>,<check> or skip=all; add ;error=true to make the ` +
			"build fail",
	},
	"no advice": {
		`"buildArgs": {"BUILDKIT_GIT_ADVICE": "please"}`, "buildArgs.BUILDKIT_GIT_ADVICE", "neither true nor false",
	},
	"no frontend": {
		`"buildArgs": {"BUILDKIT_SYNTAX": " "}`, "buildArgs.BUILDKIT_SYNTAX",
		"remove this argument, or write dockerfile.v0 for BuildKit's own",
	},
	"what BuildKit dropped": {
		`"buildArgs": {"BUILDKIT_DISABLE_FILEOP": "1"}`, "buildArgs.BUILDKIT_DISABLE_FILEOP",
		"BuildKit 0.11 and later always use file operations: remove this argument",
	},
	"provenance": {
		`"buildArgs": {"BUILDKIT_ATTEST_PROVENANCE": "mode=max"}`, "buildArgs.BUILDKIT_ATTEST_PROVENANCE",
		"remove this argument, and set provenance: { mode: max }",
	},
	"an SBOM": {
		`"buildArgs": {"BUILDKIT_ATTEST_SBOM": ""}`, "buildArgs.BUILDKIT_ATTEST_SBOM",
		"and set sbom: { generator: docker/buildkit-syft-scanner:stable-1 }",
	},
	"a broken Dockerfile": {
		`"dockerfile": {"inline": "FRO scratch"}, "buildArgs": {"BUILDKIT_SYNTAX": "dockerfile.v0"}`,
		"dockerfile.inline", "FRO",
	},
}

func TestCheckOfArgumentsOfBuildKit(t *testing.T) {
	t.Parallel()
	for name, c := range wrongArguments {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantOneFailure(t, `{"context": {"location": "APP"}, `+c.inputs+`}`, c.path, c.reason)
		})
	}
}

// withTag and withArgs are the beginning of inputs.
const (
	withTag  = `"tags": ["a.io/b:1"], `
	withArgs = `"dockerfile": {"inline": "FROM scratch\nARG BUILDKIT_OWN\nARG BUILDKIT_SBOM_SCAN_STAGE"}, `
)

// argumentWarnings holds inputs with a part of the warning. "" is no warning.
var argumentWarnings = []struct{ inputs, want string }{
	{withTag + `"buildArgs": {"BUILDKIT_INLINE_CACHE": "1"}`, ""},
	{withTag + `"buildArgs": {"BUILDKIT_INLINE_CACHE": ""}`, ""},
	{
		withTag + `"buildArgs": {"BUILDKIT_INLINE_CACHE": "yes"}`,
		`buildArgs.BUILDKIT_INLINE_CACHE: "yes" is neither true nor false, and is ignored: write 1 or 0`,
	},
	{
		`"buildArgs": {"BUILDKIT_INLINE_CACHE": "1"}`,
		"buildArgs.BUILDKIT_INLINE_CACHE: it has no effect, because no image is made that could carry the cache: " +
			"give tags to push it to, set load, or",
	},
	{`"exports": [{"image": {}}], "buildArgs": {"BUILDKIT_INLINE_CACHE": "1"}`, ""},
	{`"tags": "?", "buildArgs": {"BUILDKIT_INLINE_CACHE": "1"}`, ""},
	{`"buildArgs": {"BUILDKIT_INLINE_CACHE": "?"}`, ""},
	{withTag + `"cacheTo": [{"inline": {}}]`, ""},
	{
		withTag + `"push": false, "cacheTo": [{"inline": {}}]`,
		"cacheTo[0]: an inline cache has no effect, because no image is made",
	},
	{withTag + `"push": false, "cacheTo": [{"raw": "type=inline"}]`, "cacheTo[0]: an inline cache has no effect"},
	{withTag + `"push": "?", "cacheTo": [{"inline": {}}]`, ""},
	{`"buildArgs": {"BUILDKIT_CONTEXT_KEEP_GIT_DIR": "keep"}`, `"keep" is neither true nor false, and is ignored`},
	{`"buildArgs": {"BUILDKIT_CONTEXT_KEEP_GIT_DIR": "1", "BUILDKIT_GIT_ADVICE": "0"}`, ""},
	{
		`"buildArgs": {"BUILDKIT_BUILD_NAME": "a", "BUILDKIT_CACHE_MOUNT_NS": "b", ` +
			`"BUILDKIT_SANDBOX_HOSTNAME": "c", "BUILDKIT_DOCKERFILE_CHECK": "skip=all;error=true"}`,
		"",
	},
	{
		`"buildArgs": {"BUILDKIT_SYNTAX": "dockerfile.v0", "BUILDKIT_MULTI_PLATFORM": "1", ` +
			`"SOURCE_DATE_EPOCH": "0"}`,
		"",
	},
	{
		withArgs + `"buildArgs": {"BUILDKIT_SBOM_SCAN_STAGE": "true"}`,
		"BUILDKIT_SBOM_SCAN_STAGE: it has no effect, because no SBOM is made: set sbom too",
	},
	{withArgs + `"sbom": {"generator": "a/b"}, "buildArgs": {"BUILDKIT_SBOM_SCAN_STAGE": "true"}`, ""},
	{
		withArgs + `"sbom": {"generator": "a/b"}, "buildArgs": {"BUILDKIT_SBOM_SCAN_CONTEXT": "true"}`,
		"the Dockerfile has none: declare it there",
	},
	{withArgs + `"buildArgs": {"BUILDKIT_OWN": "1"}`, ""},
	{
		withArgs + `"buildArgs": {"BUILDKIT_INLINE": "1"}`,
		"buildArgs.BUILDKIT_INLINE: neither BuildKit nor the Dockerfile knows this argument",
	},
	{`"dockerfile": {"inline": "?"}, "buildArgs": {"BUILDKIT_INLINE": "1"}`, ""},
	{withArgs + `"buildArgs": {"BUILDKIT_SYNTAX": "a/b", "BUILDKIT_INLINE": "1"}`, ""},
	{`"context": {"location": "https://example.com/a.git"}, "buildArgs": {"BUILDKIT_OWN": ""}`, ""},
}

// A valid argument gives no warning. An argument that BuildKit would ignore gives one with a remedy.
func TestCheckWarnsOfArgumentsOfBuildKit(t *testing.T) {
	t.Parallel()
	for _, test := range argumentWarnings {
		raw := props(t, "{"+test.inputs+"}")
		args, failures, err := decode(t.Context(), raw)
		if err != nil || len(failures) > 0 {
			t.Fatal(err, failures)
		}
		c := &checker{ctx: t.Context(), raw: raw, args: args}
		checkArguments(c)
		checkCacheTo(c)
		got := strings.Join(c.warnings, "; ")
		if test.want == "" && got != "" || !strings.Contains(got, test.want) || len(c.failures) > 0 {
			t.Errorf("%s: got %q, %v; want %q", test.inputs, got, c.failures, test.want)
		}
	}
}
