//go:build linux

package e2e

import (
	"os"
	"slices"
	"strings"
	"testing"
)

const detailedImage = `
context: { location: src }
buildOnPreview: false
platforms: [linux/amd64]
tags: ["REPO:1", "REPO:2"]
buildArgs: { A: a, "x.y": b }
labels: { a: a, gone: g }
registries: [{ address: 127.0.0.1, username: me, password: one }]
`

var detailedFiles = map[string]string{"src/Dockerfile": "FROM scratch AS one\nCOPY file /\nFROM one AS two\n",
	"src/file": "x"}

// A preview names each change by its full path, and nothing else.
func TestAPreviewNamesWhatChanged(t *testing.T) {
	t.Parallel()
	s := open(t, project(t, detailedImage, detailedFiles))
	succeeds(t, s.Up("--skip-preview"))
	must(t, s.Write("src/file", "y"))
	replaceProgram(t, s, project(t, strings.NewReplacer(
		"platforms: [linux/amd64]", "platforms: [linux/amd64, linux/arm64]\ntarget: two",
		`"REPO:2"`, `"REPO:3"`, `"x.y": b`, `"x.y": c`, "gone: g", "new: n",
		"password: one", "password: two").Replace(detailedImage), nil))
	step := previewSteps(t, s)["image"]
	want := []string{`buildArgs["x.y"]`, "contextHash", "labels.gone", "labels.new", "platforms[1]", "tags[1]",
		"target"}
	if got := step.changedPaths(); !slices.Equal(got, want) {
		t.Errorf("the preview names %v, want %v", got, want)
	}
	for path, kind := range map[string]string{`buildArgs["x.y"]`: "update", "labels.gone": "delete",
		"labels.new": "add", "target": "add"} {
		if got := step.DetailedDiff[path].Kind; got != kind {
			t.Errorf("%s: %q, want %q", path, got, kind)
		}
	}
	result := s.Preview("--diff")
	succeeds(t, result, `~ x.y: "b" => "c"`, "- gone: \"g\"", "+ new : \"n\"", `+ [1]: "linux/arm64"`,
		"+ target     : \"two\"", "modified file")
	if linesWith(result.All(), "registries") > 0 {
		t.Errorf("a password is a difference:\n%s", result.All())
	}
}

const twoImages = `resources:
  relative:
    type: buildkit:Image
    properties:
      context: { location: src }
      platforms: [linux/amd64, linux/arm64]
      tags: ["REPO:1", "REPO:2"]
      registries: [{ address: 127.0.0.1, username: me, password: one }]
  absolute:
    type: buildkit:Image
    properties:
      context: { location: "${pulumi.cwd}/src", named: { lib: { location: "${pulumi.cwd}/lib" } } }
      dockerfile: { location: "${pulumi.cwd}/recipe" }
      platforms: [linux/amd64]
      tags: ["REPO:3"]
`

// Every input that does not shape the image changes at once, and the project moves. There is no difference, and no
// builder is asked.
func TestUnrelatedInputsAreNoDifference(t *testing.T) {
	t.Parallel()
	s := open(t, program(t, twoImages, map[string]string{
		"src/Dockerfile": "FROM scratch\nCOPY file /\n", "src/file": "x",
		"recipe": "FROM scratch\nCOPY file /\nCOPY --from=lib file /lib\n", "lib/file": "y",
	}))
	succeeds(t, s.Up("--skip-preview"), "+ 3 created")

	must(t, os.Rename(s.Dir, s.Dir+"-elsewhere"))
	s.Dir += "-elsewhere"
	replaceProgram(t, s, program(t, strings.NewReplacer(
		"{ location: src }", `{ location: ./src/ }
      dockerfile: { location: src/Dockerfile }
      builder: { endpoint: "unix:///nowhere/b.sock" }
      push: true
      pull: true
      buildOnPreview: false`,
		"[linux/amd64, linux/arm64]", "[linux/arm64/v8, linux/x86_64]",
		`"REPO:1", "REPO:2"`, `"REPO:2", "REPO:1"`,
		"me, password: one", "you, password: two").Replace(twoImages), nil))
	succeeds(t, s.Up("--expect-no-changes"), "3 unchanged")
	if got, _ := resourcesByName(s)["relative"].Outputs["ref"].(string); !strings.HasPrefix(got, repository(t)+":1@") {
		t.Errorf("a mere new order of the tags made ref %s", got)
	}
}
