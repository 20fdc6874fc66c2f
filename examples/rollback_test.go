//go:build linux

package examples

import "testing"

// Going back to an earlier commit moves the tag back; the builder is not asked, or the step would run again and fail.
func TestGoingBackBuildsNothing(t *testing.T) {
	t.Parallel()
	tag := repository(t) + ":1"
	s := open(t, project(t, both+"buildOnPreview: false\n", map[string]string{"Dockerfile": "FROM scratch\nCOPY file /\n", "file": "one", ".dockerignore": "Pulumi*\n"}))
	ok(t, s.Up("--skip-preview"))
	first := served(t, tag).Digest.String()
	edit(t, s.Write("file", "two"))
	ok(t, s.Up("--skip-preview"), "exporting to image")
	if served(t, tag).Digest.String() == first {
		t.Fatal("the change was not pushed")
	}
	edit(t, s.Write("file", "one"))
	result := s.Up("--skip-preview")
	ok(t, result, "~ 1 updated")
	if got := served(t, tag).Digest.String(); got != first {
		t.Errorf("the tag holds %s, want %s", got, first)
	}
	if linesWith(result.All(), "exporting to image") > 0 {
		t.Errorf("it was built again:\n%s", result.All())
	}
	ok(t, s.Destroy("--skip-preview"))
}

func edit(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
