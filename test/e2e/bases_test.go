//go:build linux

package e2e

import (
	"slices"
	"testing"
)

// With pull a base image whose tag has moved is a reason to build, and the preview names it.
func TestPullSeesANewBase(t *testing.T) {
	t.Parallel()
	ref := repository(t) + ":base"
	base := open(t, project(t, "context: { location: . }\nplatforms: [linux/amd64]\ntags: [\"REPO:base\"]\n",
		map[string]string{"Dockerfile": "FROM scratch\nCOPY file /\n", "file": "one"}))
	ok(t, base.Up("--skip-preview"))
	const app = "dockerfile: { inline: \"FROM REPO:base\\nCOPY --from=REPO:base file /copy\\n\" }\nplatforms: [linux/amd64]\ntags: [\"REPO:app\"]\npull: true\n"
	s := open(t, project(t, app, nil))
	ok(t, s.Up("--skip-preview"), "+ 2 created")
	ok(t, s.Up("--expect-no-changes"))
	before := image(t, s).Outputs["digest"]

	edit(t, base.Write("file", "two"))
	ok(t, base.Up("--skip-preview"), "~ 1 updated")
	if got := previewed(t, s)["image"].changes(); !slices.Equal(got, []string{`baseDigests["` + ref + `"]`}) {
		t.Errorf("the preview shows %v", got)
	}
	ok(t, s.Up("--skip-preview"), "~ 1 updated")
	if image(t, s).Outputs["digest"] == before {
		t.Error("nothing was built")
	}
	ok(t, s.Up("--expect-no-changes"))
	ok(t, s.Destroy("--skip-preview"))
	ok(t, base.Destroy("--skip-preview"))
}
