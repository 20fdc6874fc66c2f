//go:build linux

package e2e

import (
	"strings"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// listingStep is a step that fails and lists the files in /app, unless they are FILES.
const listingStep = `RUN ["/bin/busybox", "sh", "-c", "cd /app; ` +
	`got=$(/bin/busybox find . | /bin/busybox sort | /bin/busybox tr '\\n' ' ');` +
	` [ \"$got\" = 'FILES ' ] || { echo \"$got\"; exit 1; }"]` + "\n"

// The provider's cache, its daemon, Pulumi's state and its home are in the build context. None of them gets into the
// image, and a second update has nothing to do. Other folders with the same names are part of the image.
func TestFoldersOfProgramsAreInNoContext(t *testing.T) {
	t.Parallel()
	files := map[string]string{"main.go": "package main\n", "lib/.pulumi/meta.yaml": "theirs\n",
		"lib/.cache/pulumi-buildkit/note": "theirs\n"}
	const want = ". ./Dockerfile ./Pulumi.dev.yaml ./Pulumi.yaml ./lib ./lib/.cache ./lib/.cache/pulumi-buildkit " +
		"./lib/.cache/pulumi-buildkit/note ./lib/.pulumi ./lib/.pulumi/meta.yaml ./main.go"
	files["Dockerfile"] = "FROM BUSYBOX\nCOPY . /app\n" + strings.ReplaceAll(listingStep, "FILES", want)
	tree := project(t, "context: { location: . }\nplatforms: [linux/amd64]\ntags: [\"REPO:1\"]\n", files)
	s := stack.New(t, stack.Config{Bin: shared.Bin, Program: tree, Inside: true})
	first := s.Up("--skip-preview")
	succeeds(t, first, "+ 2 created", "/.pulumi is left out of the build context: Pulumi keeps its state",
		"/.home is left out")
	succeeds(t, s.Up("--expect-no-changes"), "2 unchanged")
	must(t, s.Write("main.go", "package main // changed\n"))
	succeeds(t, s.Up("--skip-preview"), "~ 1 updated")
	succeeds(t, s.Destroy("--skip-preview"))
}

// The provider's own folder cannot be the context, because each build would change it.
func TestOurOwnFolderIsNoContext(t *testing.T) {
	t.Parallel()
	tree := project(t,
		"context: { location: ./.cache/pulumi-buildkit }\ndockerfile: { inline: \"FROM scratch\\nCOPY . /\" }\n"+
			"push: false\n",
		map[string]string{".cache/pulumi-buildkit/stat/file": "cache\n"})
	s := stack.New(t, stack.Config{Bin: shared.Bin, Program: tree, Inside: true})
	stack.Fails(t, s.Preview(),
		"/.cache/pulumi-buildkit is a folder that the provider keeps for itself. Its files change with each build: "+
			"build another folder, or set XDG_CACHE_HOME or PULUMI_BUILDKIT_DAEMON_DIR to a folder elsewhere")
}
