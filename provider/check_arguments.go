package provider

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
)

// argumentCheck checks the value of a build argument that BuildKit acts on. failure says why a build with this value
// would fail. warning says what the build would ignore. Both are "" for a good value.
type argumentCheck func(c *checker, value string) (failure, warning string)

// argumentChecks holds the build arguments that BuildKit acts on. Most need no ARG in the Dockerfile
// (https://github.com/moby/buildkit/blob/master/frontend/dockerfile/docs/reference.md#buildkit-built-in-build-args).
var argumentChecks = map[string]argumentCheck{
	"BUILDKIT_BUILD_NAME":           acceptAny,
	"BUILDKIT_CACHE_MOUNT_NS":       acceptAny,
	"BUILDKIT_CONTEXT_KEEP_GIT_DIR": warnUnlessBool,
	"BUILDKIT_DISABLE_FILEOP":       checkDisableFileOp,
	"BUILDKIT_DOCKERFILE_CHECK":     checkDockerfileCheck,
	"BUILDKIT_GIT_ADVICE":           failUnlessBool,
	"BUILDKIT_INLINE_CACHE":         checkInlineCache,
	"BUILDKIT_MULTI_PLATFORM":       checkMultiPlatform,
	"BUILDKIT_SANDBOX_HOSTNAME":     acceptAny,
	"BUILDKIT_SBOM_SCAN_CONTEXT":    sbomScanCheck("BUILDKIT_SBOM_SCAN_CONTEXT"),
	"BUILDKIT_SBOM_SCAN_STAGE":      sbomScanCheck("BUILDKIT_SBOM_SCAN_STAGE"),
	"BUILDKIT_SYNTAX":               checkSyntaxArgument,
	"BUILDKIT_ATTEST_PROVENANCE":    inputInsteadCheck("provenance: { mode: max }"),
	"BUILDKIT_ATTEST_SBOM":          inputInsteadCheck("sbom: { generator: docker/buildkit-syft-scanner:stable-1 }"),
}

// checkArguments checks the build arguments that BuildKit acts on. It warns about other names that begin like theirs.
func checkArguments(c *checker) {
	for _, name := range slices.Sorted(maps.Keys(c.args.BuildArgs)) {
		path := under("buildArgs", name)
		unclear := c.unknownAt(key("buildArgs"), key(name)) || c.isSecret(path) || c.hasFailure(path)
		if !strings.HasPrefix(name, "BUILDKIT_") || unclear {
			continue
		}
		check, ok := argumentChecks[name]
		if !ok {
			check = unrecognizedArgumentCheck(name)
		}
		failure, warning := check(c, c.args.BuildArgs[name])
		if failure != "" {
			c.fail(path, "%s", failure)
		}
		if warning != "" {
			c.warn("%s: %s", path, warning)
		}
	}
}

func acceptAny(*checker, string) (failure, warning string) { return "", "" }

// readBool returns the value as BuildKit reads it: an empty one is false. ok tells whether the value is a boolean.
func readBool(value string) (on, ok bool) {
	on, err := strconv.ParseBool(value)
	return on, err == nil || value == ""
}

func warnUnlessBool(_ *checker, value string) (failure, warning string) {
	if _, ok := readBool(value); !ok {
		return "", fmt.Sprintf("%q is neither true nor false, and is ignored: write 1 or 0", value)
	}
	return "", ""
}

func failUnlessBool(_ *checker, value string) (failure, warning string) {
	if _, ok := readBool(value); !ok {
		return fmt.Sprintf("%q is neither true nor false: write 1 or 0", value), ""
	}
	return "", ""
}

func checkDisableFileOp(_ *checker, value string) (failure, warning string) {
	if on, _ := readBool(value); on {
		return "BuildKit 0.11 and later always use file operations: remove this argument", ""
	}
	return "", ""
}

func checkDockerfileCheck(_ *checker, value string) (failure, warning string) {
	if err := inputs.ValidateChecks(value); err != nil {
		return err.Error() + ": write skip=<check>,<check> or skip=all; add ;error=true to make the build fail", ""
	}
	return "", ""
}

func checkInlineCache(c *checker, value string) (failure, warning string) {
	if on, _ := readBool(value); on && makesNoImage(c) {
		return "", "it has no effect, because no image is made that could carry the cache: " + imageRemedy
	}
	return warnUnlessBool(c, value)
}

// checkMultiPlatform refuses an index where an export takes none, and several platforms without an index.
func checkMultiPlatform(c *checker, value string) (failure, warning string) {
	on, ok := readBool(value)
	intoDockerFormat := slices.ContainsFunc(enabledExports(c.args), func(e export) bool { return e.kind == "docker" })
	switch {
	case !ok || value == "":
		return failUnlessBool(c, value)
	case on && intoDockerFormat:
		return "it makes an index, which load and docker exports do not take: remove this argument, or remove them", ""
	case !on && isKnown(c.raw, "platforms") && len(normalizePlatforms(c.args.Platforms)) > 1:
		return "a build for several platforms always makes an index: remove this argument, or build for one " +
			"platform", ""
	}
	return "", ""
}

func checkSyntaxArgument(_ *checker, value string) (failure, warning string) {
	if strings.TrimSpace(value) == "" {
		return "it names no frontend: remove this argument, or write dockerfile.v0 for BuildKit's own", ""
	}
	return "", ""
}

// sbomScanCheck returns a check that warns if no SBOM is made, or if the Dockerfile has no ARG that the argument
// overrides.
func sbomScanCheck(name string) argumentCheck {
	return func(c *checker, _ string) (failure, warning string) {
		switch {
		case c.args.SBOM == nil && c.raw.Get("sbom").IsNull():
			return "", "it has no effect, because no SBOM is made: set sbom too, or remove this argument"
		case dockerfileLacks(c, name):
			return "", "it has no effect, because it overrides an ARG of this name, and the Dockerfile has none: " +
				"declare it there"
		}
		return "", ""
	}
}

// inputInsteadCheck returns a check that refuses an argument, because an input does the same. Previews and the
// verification of the pushed image look only at the input.
func inputInsteadCheck(input string) argumentCheck {
	return func(*checker, string) (failure, warning string) {
		return "an input does the same: remove this argument, and set " + input, ""
	}
}

// unrecognizedArgumentCheck returns a check for a name that BuildKit does not recognize. It warns if the Dockerfile
// does not mention the name either, which may then be a mistake.
func unrecognizedArgumentCheck(name string) argumentCheck {
	return func(c *checker, _ string) (failure, warning string) {
		if !dockerfileLacks(c, name) {
			return "", ""
		}
		return "", "neither BuildKit nor the Dockerfile knows this argument. BuildKit's documentation names those " +
			"that it knows: https://docs.docker.com/reference/dockerfile/#buildkit-built-in-build-args"
	}
}

// dockerfileLacks tells whether the Dockerfile can be read and does not mention a name.
func dockerfileLacks(c *checker, name string) bool {
	if !isKnown(c.raw, "dockerfile", "context") || hasOtherFrontend(c.args) {
		return false
	}
	_, dockerfile, err := c.readDockerfile()
	return err == nil && dockerfile.Text != nil && !strings.Contains(string(dockerfile.Text), name)
}

// hasOtherFrontend tells whether BUILDKIT_SYNTAX names a frontend other than BuildKit's own. The Dockerfile is then in
// the language of that frontend.
func hasOtherFrontend(a ImageArgs) bool {
	syntax, ok := a.BuildArgs["BUILDKIT_SYNTAX"]
	return ok && !inputs.IsOwnSyntax(syntax)
}
