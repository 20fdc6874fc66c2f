//go:build linux

package e2e

import (
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// pairsProgram has images that need what other images of the program make.
const pairsProgram = `resources:
  base:
    type: buildkit:Image
    properties: { context: { location: base }, platforms: [linux/amd64], tags: ["REPO/base:1", "REPO/base:{hash}"] }
  configured: { type: "pulumi:providers:buildkit", properties: { maxParallelBuilds: 4 } }
  argument:
    type: buildkit:Image
    properties:
      dockerfile: { inline: "ARG PARENT\nFROM $PARENT\nCOPY Pulumi.yaml /argument\n" }
      buildArgs: { PARENT: "${base.repoDigest}" }
      platforms: [linux/amd64]
      tags: ["REPO/argument:1"]
  process:
    type: buildkit:Image
    properties:
      dockerfile: { inline: "FROM ${base.ref}\nCOPY Pulumi.yaml /process\n" }
      platforms: [linux/amd64]
      tags: ["REPO/process:1"]
    options: { provider: "${configured}" }
  named:
    type: buildkit:Image
    properties:
      context: { location: base, named: { parent: { location: "docker-image://${base.repoDigest}" } } }
      dockerfile: { inline: "FROM scratch\nCOPY --from=parent file /named\n" }
      platforms: [linux/amd64]
      tags: ["REPO/named:1"]
  copied:
    type: buildkit:Image
    properties:
      dockerfile: { inline: "FROM scratch\nCOPY --from=${base.repoDigest} file /copied\n" }
      platforms: [linux/amd64]
      tags: ["REPO/copied:1"]
  tagged:
    type: buildkit:Image
    properties:
      dockerfile: { inline: "FROM REPO/base:1\nCOPY Pulumi.yaml /tagged\n" }
      pull: true
      platforms: [linux/amd64]
      tags: ["REPO/tagged:1"]
    options: { dependsOn: ["${base}"] }
  third:
    type: buildkit:Image
    properties:
      dockerfile: { inline: "FROM REPO/tagged:1\nCOPY Pulumi.yaml /third\n" }
      pull: true
      platforms: [linux/amd64]
      tags: ["REPO/third:1"]
    options: { dependsOn: ["${tagged}"], provider: "${configured}" }
  fourth:
    type: buildkit:Image
    properties:
      dockerfile: { inline: "ARG PARENT\nFROM $PARENT\nCOPY Pulumi.yaml /fourth\n" }
      buildArgs: { PARENT: "${third.repoDigest}" }
      platforms: [linux/amd64]
      tags: ["REPO/fourth:1"]
`

// A preview builds an image on another image that it built. If another process of the plugin built that one, the
// preview does not build on it: it names the image that makes the base, and the update builds that one first.
func TestImagesBuiltFromImages(t *testing.T) {
	t.Parallel()
	s := open(t, program(t, pairsProgram,
		map[string]string{"base/Dockerfile": "FROM scratch\nCOPY file /\n", "base/file": "one"}))
	up := s.Up()
	succeeds(t, up, "+ 10 created")
	checkWhyNotBuilt(t, up)
	checkTwoRuns(t, s)
	succeeds(t, s.Up("--expect-no-changes"))

	must(t, s.Write("base/file", "two"))
	steps := previewSteps(t, s)
	bases := map[string]any{
		"base:1":   steps["tagged"].input("baseDigests", repository(t)+"/base:1"),
		"tagged:1": steps["third"].input("baseDigests", repository(t)+"/tagged:1"),
	}
	if got := steps["fourth"].input("buildArgs", "PARENT"); got != unknown {
		t.Errorf("the preview says that the base of fourth is %v", got)
	}
	up = s.Up()
	succeeds(t, up, "~ 8 updated")
	checkWhyNotBuilt(t, up)
	for tag, want := range bases {
		if got := tagDigest(t, repository(t)+"/"+tag); got != want {
			t.Errorf("the preview said that %s will be %v, it is %s", tag, want, got)
		}
	}
	succeeds(t, s.Up("--expect-no-changes"))
}

// diagnostics returns what the preview of pulumi up prints below the table.
func diagnostics(up stack.Result) string {
	preview, _, _ := strings.Cut(up.Stdout, "Updating (dev)")
	_, text, _ := strings.Cut(preview, "Diagnostics:")
	return text
}

// checkWhyNotBuilt checks that there is one line for each image of pairsProgram that the preview cannot build.
func checkWhyNotBuilt(t *testing.T, up stack.Result) {
	t.Helper()
	text := diagnostics(up)
	byDigest := "not built in this preview: its base image " + repository(t)
	for line, want := range map[string]int{
		byDigest + "/base@sha256:":                                     1,
		byDigest + "/tagged@sha256:":                                   1,
		"not built in this preview: buildArgs.PARENT is not known yet": 1,
		" is made by the image base of this update":                    1,
		" is made by the image tagged of this update":                  1,
		"not built": 3,
	} {
		if got := strings.Count(text, line); got != want {
			t.Errorf("%d lines say %q, want %d:\n%s", got, line, want, text)
		}
	}
}

// checkTwoRuns checks that the preview and the update of pulumi up left notes as two runs. Otherwise a promise of the
// preview could count for the update.
func checkTwoRuns(t *testing.T, s *stack.Test) {
	t.Helper()
	runs := map[string]bool{}
	files, _ := filepath.Glob(filepath.Join(s.Dir, "../home/.cache/pulumi-buildkit/notes/*"))
	for _, file := range files {
		run, _, _ := strings.Cut(filepath.Base(file), "-")
		runs[run] = true
	}
	if len(runs) != 2 || len(files) != 4 {
		t.Errorf("%d processes in %d runs left notes, want 4 in 2: %v", len(files), len(runs), files)
	}
}

// twinsProgram has two images, each with its own provider.
const twinsProgram = `resources:
  configured: { type: "pulumi:providers:buildkit", properties: { maxParallelBuilds: 4 } }
  one:
    type: buildkit:Image
    properties:
      dockerfile: { inline: "FROM scratch\nCOPY Pulumi.yaml /one\n" }
      platforms: [linux/amd64]
      tags: ["REPO:TAG1"]
  two:
    type: buildkit:Image
    properties:
      dockerfile: { inline: "FROM scratch\nCOPY Pulumi.yaml /two\n" }
      platforms: [linux/amd64]
      tags: ["REPO:TAG2"]
    options: { provider: "${configured}" }
`

// Two images of a program cannot have the same tag. A tag may move from one to the other.
func TestTwoImagesOfOneTag(t *testing.T) {
	t.Parallel()
	tagged := func(one, two string) fs.FS {
		return program(t, strings.NewReplacer("TAG1", one, "TAG2", two).Replace(twinsProgram), nil)
	}
	s := open(t, tagged("latest", "latest"))
	fails(t, s.Preview(), "tags[0]",
		repository(t)+":latest is a tag of two images of this program, one and two, and would stand for the one that "+
			"is pushed last")
	replaceProgram(t, s, tagged("1", "2"))
	succeeds(t, s.Up("--skip-preview"), "+ 4 created")
	replaceProgram(t, s, tagged("3", "1"))
	succeeds(t, s.Up(), "~ 2 updated")
	replaceProgram(t, s, tagged("1", "3"))
	succeeds(t, s.Up("--skip-preview"), "~ 2 updated")
	succeeds(t, s.Up("--expect-no-changes"))
}
