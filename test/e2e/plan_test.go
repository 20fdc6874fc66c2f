//go:build linux

package e2e

import (
	"path/filepath"
	"testing"
)

// An update with a plan does only what the preview showed, including the files of the context and their digests.
func TestUpdateWithAPlan(t *testing.T) {
	t.Parallel()
	s := open(t, withDependent(t, `tags: ["REPO:1"]`))
	plan := filepath.Join(t.TempDir(), "plan.json")
	succeeds(t, s.Preview("--save-plan", plan))
	must(t, s.Write("src/file", "edited since"))
	fails(t, s.Up("--skip-preview", "--plan", plan), "violates plan", "contextHash")
	if got := tagDigest(t, repository(t)+":1"); got != "" {
		t.Errorf("the tag is at %s", got)
	}
	must(t, s.Write("src/file", "one"))
	succeeds(t, s.Up("--skip-preview", "--plan", plan), "2 created")
}
