//go:build linux

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// fileReader is a program with an image whose files it reads.
const fileReader = `resources:
  image:
    type: buildkit:Image
    properties:
      context: { location: src }
      platforms: [linux/amd64]
      exports: [{ local: { dest: out } }, { tar: { dest: out.tar } }, { oci: { dest: image.tar } }]
      tags: ["REPO:1"]
outputs:
  digest: ${image.digest}
  content: { "fn::readFile": "${image.exports[0].local.dest}/file" }
`

// removeExports removes what the image of fileReader wrote, so that the project is as after a checkout.
func removeExports(t *testing.T, s *stack.Test) {
	t.Helper()
	for _, name := range []string{"out", "out.tar", "image.tar"} {
		must(t, os.RemoveAll(filepath.Join(s.Dir, name)))
	}
}

// openFileReader opens a stack of fileReader whose image holds a file with the text "one".
func openFileReader(t *testing.T) *stack.Test {
	t.Helper()
	return open(t, program(t, fileReader, map[string]string{
		"src/Dockerfile": "FROM BUSYBOX AS build\nCOPY file /\nRUN date >/date\n" +
			"FROM scratch\nCOPY --from=build /file /date /\n",
		"src/file": "one",
	}))
}

// checkExports fails the test unless the files of fileReader are there, with the text in the one that it reads.
func checkExports(t *testing.T, s *stack.Test, want string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(s.Dir, "out/file"))
	if err != nil || string(text) != want {
		t.Errorf("out/file is %q, %v, want %q", text, err, want)
	}
	for _, name := range []string{"out.tar", "image.tar"} {
		if info, err := os.Stat(filepath.Join(s.Dir, name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A program reads what its image writes: in the first run, and on a machine that lacks the files. The update that
// writes them again runs no step, and leaves the image and its tag.
func TestProgramReadsTheFilesOfItsImage(t *testing.T) {
	t.Parallel()
	s := openFileReader(t)
	succeeds(t, s.Up(), "content: \"one\"", "2 created")
	checkExports(t, s, "one")
	first := tagDigest(t, repository(t)+":1")
	succeeds(t, s.Up("--expect-no-changes"))

	removeExports(t, s)
	preview := previewSteps(t, s)["image"]
	if got := strings.Join(preview.changedPaths(), " "); got != "exports[0] exports[1] exports[2]" {
		t.Errorf("the preview shows %s", got)
	}
	checkExports(t, s, "one")
	removeExports(t, s)
	again := s.Up("--skip-preview", "--diff")
	succeeds(t, again, "content: \"one\"", "1 updated", "cached RUN date",
		"exports: not on this machine, or of other inputs, so that the build writes it again: out, out.tar, "+
			"image.tar")
	checkExports(t, s, "one")
	if now := tagDigest(t, repository(t)+":1"); now != first || strings.Contains(again.All(), exportingLine) {
		t.Errorf("the tag holds %s, it was %s:\n%s", now, first, again.All())
	}
	if linesWith(again.All(), "__") > 0 {
		t.Errorf("the output shows what the state notes:\n%s", again.All())
	}
	succeeds(t, s.Up("--expect-no-changes"))
	succeeds(t, s.Refresh("--expect-no-changes"))

	must(t, os.RemoveAll(filepath.Join(s.Dir, "out")))
	must(t, os.Mkdir(filepath.Join(s.Dir, "out"), 0o755)) // as git leaves it with a .gitkeep that was removed
	succeeds(t, s.Up(), "content: \"one\"")
	checkExports(t, s, "one")
	succeeds(t, s.Destroy("--skip-preview"))
}

// A preview writes the files of a change. If the change is given up, the next update writes those of the image again.
func TestFilesOfAPreviewDoNotStay(t *testing.T) {
	t.Parallel()
	s := openFileReader(t)
	succeeds(t, s.Up("--skip-preview"), "content: \"one\"")
	first := tagDigest(t, repository(t)+":1")
	must(t, s.Write("src/file", "two"))
	succeeds(t, s.Preview(), "content: \"one\" => \"two\"")
	checkExports(t, s, "two")

	must(t, s.Write("src/file", "one"))
	succeeds(t, s.Up("--skip-preview"), "or of other inputs", "1 updated")
	checkExports(t, s, "one")
	if now := tagDigest(t, repository(t)+":1"); now != first {
		t.Errorf("the tag holds %s, it was %s", now, first)
	}
	succeeds(t, s.Up("--expect-no-changes"))

	must(t, s.Write("src/file", "two"))
	succeeds(t, s.Up("--skip-preview"), "1 updated")
	if now := tagDigest(t, repository(t)+":1"); now == first || now == "" {
		t.Errorf("the tag still holds %s", now)
	}
	succeeds(t, s.Destroy("--skip-preview"))
}

// An archive of an image that is pushed nowhere is made again, and its digest is that of the new archive.
func TestMissingArchiveOfAnImageThatIsNotPushed(t *testing.T) {
	t.Parallel()
	s := open(t, project(t, `
context: { location: . }
platforms: [linux/amd64]
exports: [{ docker: { dest: ../image.tar } }]
`, map[string]string{"Dockerfile": "FROM scratch\nCOPY file /\n", "file": "x"}))
	succeeds(t, s.Up("--skip-preview"))
	must(t, os.Remove(filepath.Join(s.Dir, "../image.tar")))
	succeeds(t, s.Up("--skip-preview"), "1 updated")
	if _, err := os.Stat(filepath.Join(s.Dir, "../image.tar")); err != nil {
		t.Error(err)
	}
	if digest, _ := image(t, s).Outputs["digest"].(string); !strings.HasPrefix(digest, "sha256:") {
		t.Errorf("the digest is %q", digest)
	}
	succeeds(t, s.Up("--expect-no-changes"))
	succeeds(t, s.Destroy("--skip-preview"))
}

// A preview removes files beside those of the image only from a folder that an update has written like that.
func TestPreviewRemovesNoFilesOfOthers(t *testing.T) {
	t.Parallel()
	s := open(t, project(t, "context: { location: src }\nplatforms: [linux/amd64]\n"+
		"exports: [{ local: { dest: public, mode: delete } }]\n", map[string]string{
		"src/Dockerfile": "FROM scratch\nCOPY file /\n", "src/file": "one", "public/mine": "",
	}))
	files := func(want string) {
		t.Helper()
		var names []string
		found, err := os.ReadDir(filepath.Join(s.Dir, "public"))
		must(t, err)
		for _, f := range found {
			names = append(names, f.Name())
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("public has %s, want %s", got, want)
		}
	}
	succeeds(t, s.Preview(), "+ 2 to create")
	files("file mine")
	succeeds(t, s.Up(), "+ 2 created")
	files("file")
	succeeds(t, s.Up("--expect-no-changes"))
	must(t, s.Write("src/file", "two"))
	must(t, s.Write("public/left", ""))
	succeeds(t, s.Preview(), "~ 1 to update")
	files("file")
	succeeds(t, s.Destroy("--skip-preview"))
}

// An image without files is exported once, and its empty folder is no change.
func TestExportOfNoFiles(t *testing.T) {
	t.Parallel()
	s := open(t, project(t, "context: { location: src }\nplatforms: [linux/amd64]\n"+
		"exports: [{ local: { dest: out } }]\n", map[string]string{
		"src/Dockerfile": "FROM BUSYBOX AS test\nRUN mkdir /empty\nFROM scratch\nCOPY --from=test /empty /\n",
	}))
	succeeds(t, s.Up(), "+ 2 created")
	succeeds(t, s.Up("--expect-no-changes"))
	must(t, os.RemoveAll(filepath.Join(s.Dir, "out")))
	succeeds(t, s.Up("--expect-no-changes"))
	must(t, s.Write("src/Dockerfile", "FROM scratch\nCOPY Dockerfile /\n"))
	succeeds(t, s.Up("--skip-preview"), "~ 1 updated")
	must(t, os.RemoveAll(filepath.Join(s.Dir, "out")))
	succeeds(t, s.Up("--skip-preview"), "~ 1 updated")
	succeeds(t, s.Destroy("--skip-preview"))
}
