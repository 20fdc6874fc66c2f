//go:build linux

package e2e

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// exportingLine is what the progress shows when an image is made and its layers are compressed.
const exportingLine = "exporting to image"

// succeedsWithoutImage checks that the command succeeded and made no image.
func succeedsWithoutImage(t *testing.T, r stack.Result, texts ...string) {
	t.Helper()
	succeeds(t, r, texts...)
	if strings.Contains(r.All(), exportingLine) {
		t.Errorf("an image was made that nobody gets:\n%s", r.All())
	}
}

// undeliveredImage returns a program with an Image and a second one whose labels repeat outputs of the first.
func undeliveredImage(t *testing.T, properties string) fs.FS {
	t.Helper()
	return program(t, `resources:
  image:
    type: buildkit:Image
    properties:
      context: { location: src }
      platforms: [linux/amd64]
      `+strings.ReplaceAll(strings.TrimSpace(properties), "\n", "\n      ")+`
  watcher:
    type: buildkit:Image
    properties:
      dockerfile: { inline: "FROM scratch\nCOPY mark /\n" }
      buildOnPreview: false
      exports: [{ cacheonly: {} }]
      labels: { digest: "${image.digest}", ref: "${image.ref}" }
`, map[string]string{"src/Dockerfile": "FROM scratch\nCOPY file /\n", "src/file": "one", "mark": ""})
}

// If nobody gets the image, neither a preview nor an update makes one. Once it is pushed it is built, and the preview
// knows its digest.
func TestImageThatIsNotDelivered(t *testing.T) {
	t.Parallel()
	const why = "no image is made and digest is empty, because nobody gets the image: give tags to push it to, set " +
		"load, or"
	s := open(t, undeliveredImage(t, `tags: ["REPO:1"]`+"\npush: false\n"))
	of := func() map[string]any { return resourcesByName(s)["image"].Outputs }
	succeedsWithoutImage(t, s.Preview(), "COPY file /", why)
	succeedsWithoutImage(t, s.Up("--skip-preview"), "COPY file /", why)
	if of()["digest"] != "" || of()["ref"] != "" ||
		resourcesByName(s)["watcher"].Inputs["labels"].(map[string]any)["digest"] != "" {
		t.Errorf("outputs are %v", of())
	}
	succeedsWithoutImage(t, s.Refresh("--expect-no-changes"))

	must(t, s.Write("src/file", "two"))
	replaceProgram(t, s, undeliveredImage(t, "exports: [{ cacheonly: {} }, { local: { dest: out } }]\n"))
	succeedsWithoutImage(t, s.Preview(), "COPY file /")
	succeedsWithoutImage(t, s.Up("--skip-preview"), "1 updated")
	if text, err := os.ReadFile(filepath.Join(s.Dir, "out", "file")); err != nil || string(text) != "two" {
		t.Errorf("exported %q, %v", text, err)
	}

	replaceProgram(t, s, undeliveredImage(t, `tags: ["REPO:1"]`))
	said := previewSteps(t, s)["watcher"].input("labels", "digest")
	succeeds(t, s.Up("--skip-preview"), exportingLine, "2 updated")
	pushed := tagDigest(t, repository(t)+":1")
	if pushed == "" || of()["digest"] != pushed || said != pushed {
		t.Errorf("the tag holds %q, the preview said %v, the digest is %v", pushed, said, of()["digest"])
	}
	succeeds(t, s.Destroy("--skip-preview"))
}
