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

// exporting is what the progress says when layers are compressed and an image is made.
const exporting = "exporting to image"

// silent succeeds, and says nothing of an image that is made.
func silent(t *testing.T, r stack.Result, texts ...string) {
	t.Helper()
	ok(t, r, texts...)
	if strings.Contains(r.All(), exporting) {
		t.Errorf("an image was made that nobody gets:\n%s", r.All())
	}
}

// repeated is an Image, and another whose labels repeat the outputs that an image has that nobody gets.
func repeated(t *testing.T, properties string) fs.FS {
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

// Nobody gets the image, and none is made: neither in a preview nor in an update, whatever is said of it and changed.
// Pushed in the end it is built, and its digest is known to the preview.
func TestNobodyGetsTheImage(t *testing.T) {
	t.Parallel()
	const why = "no image is made and digest is empty, because nobody gets the image: give tags to push it to, set load, or"
	s := open(t, repeated(t, `tags: ["REPO:1"]`+"\npush: false\n"))
	of := func() map[string]any { return exported(s)["image"].Outputs }
	silent(t, s.Preview(), "COPY file /", why)
	silent(t, s.Up("--skip-preview"), "COPY file /", why)
	if of()["digest"] != "" || of()["ref"] != "" || exported(s)["watcher"].Inputs["labels"].(map[string]any)["digest"] != "" {
		t.Errorf("outputs are %v", of())
	}
	silent(t, s.Refresh("--expect-no-changes"))

	edit(t, s.Write("src/file", "two"))
	rewrite(t, s, repeated(t, "exports: [{ cacheonly: {} }, { local: { dest: out } }]\n"))
	silent(t, s.Preview(), "COPY file /")
	silent(t, s.Up("--skip-preview"), "1 updated")
	if text, err := os.ReadFile(filepath.Join(s.Dir, "out", "file")); err != nil || string(text) != "two" {
		t.Errorf("exported %q, %v", text, err)
	}

	rewrite(t, s, repeated(t, `tags: ["REPO:1"]`))
	said := previewed(t, s)["watcher"].input("labels", "digest")
	ok(t, s.Up("--skip-preview"), exporting, "2 updated")
	pushed := held(t, repository(t)+":1")
	if pushed == "" || of()["digest"] != pushed || said != pushed {
		t.Errorf("the tag holds %q, the preview said %v, the digest is %v", pushed, said, of()["digest"])
	}
	ok(t, s.Destroy("--skip-preview"))
}
