//go:build linux

package e2e

import (
	"slices"
	"testing"
)

// With pull, a base image whose tag moved causes a build, and the preview names it.
func TestPullSeesANewBase(t *testing.T) {
	t.Parallel()
	ref := repository(t) + ":base"
	base := open(t, project(t, "context: { location: . }\nplatforms: [linux/amd64]\ntags: [\"REPO:base\"]\n",
		map[string]string{"Dockerfile": "FROM scratch\nCOPY file /\n", "file": "one"}))
	succeeds(t, base.Up("--skip-preview"))
	const app = "dockerfile: { inline: \"FROM REPO:base\\nCOPY --from=REPO:base file /copy\\n\" }\n" +
		"platforms: [linux/amd64]\ntags: [\"REPO:app\"]\npull: true\n"
	s := open(t, project(t, app, nil))
	succeeds(t, s.Up("--skip-preview"), "+ 2 created")
	succeeds(t, s.Up("--expect-no-changes"))
	before := image(t, s).Outputs["digest"]

	must(t, base.Write("file", "two"))
	succeeds(t, base.Up("--skip-preview"), "~ 1 updated")
	if got := previewSteps(t, s)["image"].changedPaths(); !slices.Equal(got, []string{`baseDigests["` + ref + `"]`}) {
		t.Errorf("the preview shows %v", got)
	}
	succeeds(t, s.Up("--skip-preview"), "~ 1 updated")
	if image(t, s).Outputs["digest"] == before {
		t.Error("nothing was built")
	}
	succeeds(t, s.Up("--expect-no-changes"))
	succeeds(t, s.Destroy("--skip-preview"))
	succeeds(t, base.Destroy("--skip-preview"))
}
