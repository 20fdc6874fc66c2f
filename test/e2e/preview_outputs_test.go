//go:build linux

package e2e

import (
	"io/fs"
	"strings"
	"testing"
)

// withDependent returns a program with an Image and a second one that has the outputs of the first as labels. The
// labels show what a preview gives to dependents.
func withDependent(t testing.TB, properties string) fs.FS {
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
      labels:
        digest: ${image.digest}
        ref: ${image.ref}
        repoDigest: ${image.repoDigest}
        refs: ${image.refs[0]}
        manifest: ${image.manifests["linux/amd64"].repoDigest}
        contextHash: ${image.contextHash}
`, map[string]string{"src/Dockerfile": "FROM scratch\nCOPY file /\n", "src/file": "one", "mark": ""})
}

// An update does what its preview showed. Unchanged outputs are known. Changed ones are unknown, unless the preview
// built them.
func TestUpdateDoesWhatThePreviewShowed(t *testing.T) {
	t.Parallel()
	const quiet = "buildOnPreview: false\n"
	s := open(t, withDependent(t, `tags: ["REPO:1"]`))
	succeeds(t, s.Up("--skip-preview"), "+ 3 created")
	succeeds(t, s.Preview("--expect-no-changes"))
	first := resourcesByName(s)["image"].Outputs

	// The preview builds: the update makes the same image.
	must(t, s.Write("src/file", "two"))
	steps := previewSteps(t, s)
	checkPlan(t, steps, map[string]string{"image": "update", "watcher": "update"})
	succeeds(t, s.Up("--skip-preview"), "~ 2 updated")
	second := resourcesByName(s)["image"].Outputs
	if second["digest"] == first["digest"] || second["digest"] != tagDigest(t, repository(t)+":1") {
		t.Fatalf("the digest is %v, was %v; the tag holds %s", second["digest"], first["digest"],
			tagDigest(t, repository(t)+":1"))
	}
	for _, output := range []string{"digest", "ref", "repoDigest", "contextHash"} {
		if said := steps["watcher"].input("labels", output); said != second[output] {
			t.Errorf("the preview said %s is %v, the update made it %v", output, said, second[output])
		}
	}
	if said := steps["watcher"].input("labels", "manifest"); said != unknown && said != second["repoDigest"] {
		t.Errorf("the preview said %v of the manifest", said)
	}

	// The preview does not build: an output that will change is unknown, any other is known.
	replaceProgram(t, s, withDependent(t, quiet+`tags: ["REPO:1"]`))
	must(t, s.Write("src/file", "three"))
	steps = previewSteps(t, s)
	for output, want := range map[string]any{"digest": unknown, "ref": unknown, "repoDigest": unknown,
		"manifest": unknown, "refs": repository(t) + ":1"} {
		if said := steps["watcher"].input("labels", output); said != want {
			t.Errorf("without a build the preview said %s is %v, want %v", output, said, want)
		}
	}

	// Another tag of the same image needs no build.
	must(t, s.Write("src/file", "two"))
	replaceProgram(t, s, withDependent(t, quiet+`tags: ["REPO:1", "REPO:2"]`))
	checkPlan(t, previewSteps(t, s), map[string]string{"image": "update"})
	// Going back gives the earlier digest.
	must(t, s.Write("src/file", "one"))
	if said := previewSteps(t, s)["watcher"].input("labels", "digest"); said != first["digest"] {
		t.Errorf("going back, the preview said %v, want %v", said, first["digest"])
	}
	succeeds(t, s.Up("--skip-preview"))
	if got := tagDigest(t, repository(t)+":2"); got != first["digest"] {
		t.Errorf("the new tag holds %s, want %s", got, first["digest"])
	}
}
