//go:build linux

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// changeProgram replaces one text in the program of a stack by another.
func changeProgram(t testing.TB, s *stack.Test, old, replacement string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(s.Dir, "Pulumi.yaml"))
	must(t, err)
	if !strings.Contains(string(text), old) {
		t.Fatalf("the program lacks %q:\n%s", old, text)
	}
	must(t, s.Write("Pulumi.yaml", strings.ReplaceAll(string(text), old, replacement)))
}

// A change of a volatile argument builds nothing, and the next build for another reason has its value.
func TestVolatileArgument(t *testing.T) {
	t.Parallel()
	s := open(t, project(t, `
context: { location: . }
platforms: [linux/amd64]
buildArgs: { COMMIT: commit-one, KIND: kind-one }
volatileArgs: [COMMIT]
exports: [{ local: { dest: ../out } }]
tags: ["REPO:{hash}"]
`, map[string]string{
		"Dockerfile": "FROM BUSYBOX AS build\nARG COMMIT KIND\nCOPY file /\nRUN echo $COMMIT $KIND >/commit\n" +
			"FROM scratch\nCOPY --from=build /commit /\n",
		"file": "one",
	}))
	written := func() string {
		text, err := os.ReadFile(filepath.Join(s.Dir, "../out/commit"))
		must(t, err)
		return strings.TrimSpace(string(text))
	}
	succeeds(t, s.Up("--skip-preview"))
	changeProgram(t, s, "commit-one", "commit-two")
	succeeds(t, s.Up("--expect-no-changes"))
	if got := written(); got != "commit-one kind-one" {
		t.Errorf("after a change of the volatile argument: %q", got)
	}
	changeProgram(t, s, "kind-one", "kind-two")
	if changed := previewSteps(t, s)["image"].changedPaths(); strings.Join(changed, " ") != "buildArgs.KIND" {
		t.Errorf("the preview shows %v", changed)
	}
	succeeds(t, s.Up("--skip-preview"), "1 updated")
	if got := written(); got != "commit-two kind-two" {
		t.Errorf("after a change of another argument: %q", got)
	}
	succeeds(t, s.Destroy("--skip-preview"))
}

// A change of a watched secret builds, although the builder's cache has every step, and shows nowhere.
func TestWatchedSecret(t *testing.T) {
	t.Parallel()
	s := open(t, project(t, `
context: { location: . }
platforms: [linux/amd64]
secrets: { settings: CANARY-one, other: CANARY-other }
watchSecrets: [settings]
exports: [{ local: { dest: ../out } }]
tags: ["REPO:{hash}"]
`, map[string]string{
		"Dockerfile": "FROM BUSYBOX AS build\n" +
			"RUN --mount=type=secret,id=settings wc -c </run/secrets/settings >/size\n" +
			"FROM scratch\nCOPY --from=build /size /\n",
	}))
	written := func() string {
		text, err := os.ReadFile(filepath.Join(s.Dir, "../out/size"))
		must(t, err)
		return strings.TrimSpace(string(text))
	}
	succeeds(t, s.Up("--skip-preview"))
	first := resourcesByName(s)["image"].Outputs["digest"]
	changeProgram(t, s, "CANARY-other", "CANARY-another")
	succeeds(t, s.Up("--expect-no-changes"))
	changeProgram(t, s, "CANARY-one", "CANARY-number-two")
	if changed := previewSteps(t, s)["image"].changedPaths(); strings.Join(changed, " ") != "secrets.settings" {
		t.Errorf("the preview shows %v", changed)
	}
	preview := s.Preview("--diff")
	succeeds(t, preview, "[secret]")
	checkNoCanary(t, s, preview)
	updated := s.Up("--skip-preview")
	succeeds(t, updated, "1 updated")
	checkNoCanary(t, s, updated)
	if got := written(); got != "17" {
		t.Errorf("the image was built with a secret of %s bytes", got)
	}
	if second := resourcesByName(s)["image"].Outputs["digest"]; second == first {
		t.Errorf("the digest is still %v", second)
	}
	succeeds(t, s.Up("--expect-no-changes"))
	succeeds(t, s.Destroy("--skip-preview"))
}
