//go:build linux

package e2e

import (
	"io/fs"
	"strings"
	"testing"
)

// Going back to an earlier commit moves the tag back. It does not ask the builder.
func TestGoingBackBuildsNothing(t *testing.T) {
	t.Parallel()
	tag := repository(t) + ":1"
	s := open(t, project(t, twoPlatforms+"buildOnPreview: false\n",
		map[string]string{"Dockerfile": "FROM scratch\nCOPY file /\n", "file": "one", ".dockerignore": "Pulumi*\n"}))
	succeeds(t, s.Up("--skip-preview"))
	first := fetchManifest(t, tag).Digest.String()
	must(t, s.Write("file", "two"))
	succeeds(t, s.Up("--skip-preview"), "exporting to image")
	if fetchManifest(t, tag).Digest.String() == first {
		t.Fatal("the change was not pushed")
	}
	must(t, s.Write("file", "one"))
	result := s.Up("--skip-preview")
	succeeds(t, result, "~ 1 updated")
	if got := fetchManifest(t, tag).Digest.String(); got != first {
		t.Errorf("the tag holds %s, want %s", got, first)
	}
	if linesWith(result.All(), "exporting to image") > 0 {
		t.Errorf("it was built again:\n%s", result.All())
	}
	succeeds(t, s.Destroy("--skip-preview"))
}

// A hash that ignoreChanges keeps is that of other files. The plugin does not remember the image that it builds
// meanwhile under that hash.
func TestAPinnedHashIsNotRemembered(t *testing.T) {
	t.Parallel()
	tag := repository(t) + ":1"
	files := map[string]string{"Dockerfile": "FROM scratch\nARG V\nLABEL v=$V\nCOPY file /\n", "file": "one"}
	const properties = "context: { location: . }\nplatforms: [linux/amd64]\nbuildOnPreview: false\n" +
		"tags: [\"REPO:1\"]\nbuildArgs: { V: \"VALUE\" }"
	valued := func(v string) string { return strings.ReplaceAll(properties, "VALUE", v) }
	s := open(t, project(t, valued("1"), files))
	succeeds(t, s.Up("--skip-preview"))

	pinned := readProgram(t, project(t, valued("2"), nil))
	must(t, s.Write("file", "something else"))
	must(t, s.Write("Pulumi.yaml", strings.Replace(pinned, "    type: buildkit:Image\n",
		"    type: buildkit:Image\n    options: { ignoreChanges: [contextHash] }\n", 1)))
	succeeds(t, s.Up("--skip-preview"))
	kept := fetchManifest(t, tag).Digest.String()

	must(t, s.Write("file", "one"))
	must(t, s.Write("Pulumi.yaml", readProgram(t, project(t, valued("1"), nil))))
	succeeds(t, s.Up("--skip-preview"))
	must(t, s.Write("Pulumi.yaml", pinned))
	succeeds(t, s.Up("--skip-preview"))
	if fetchManifest(t, tag).Digest.String() == kept {
		t.Error("the tag holds the image of other files")
	}
	succeeds(t, s.Destroy("--skip-preview"))
}

// readProgram returns the text of Pulumi.yaml.
func readProgram(t *testing.T, program fs.FS) string {
	t.Helper()
	text, err := fs.ReadFile(program, "Pulumi.yaml")
	must(t, err)
	return string(text)
}
