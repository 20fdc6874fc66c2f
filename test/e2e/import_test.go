//go:build linux

package e2e

import (
	"context"
	"testing"
)

// An existing image belongs to the program after one update. The Dockerfile may be anywhere in the project.
func TestImport(t *testing.T) {
	t.Parallel()
	const properties = "context: { location: src }\nplatforms: [linux/amd64]\ntags: [\"REPO:1\"]"
	s := open(t, project(t, properties, fromScratchFiles))
	succeeds(t, s.Up("--skip-preview"))
	before := image(t, s)
	cli(t, s, "state", "delete", urn("image"), "--yes")

	importing := func(reference string) []string {
		return []string{"import", "buildkit:index:Image", "image", reference, "--yes", "--skip-preview",
			"--protect=false", "--generate-code=false", "--stack", "dev"}
	}
	missing, err := s.Run(context.WithoutCancel(t.Context()), importing(repository(t)+":nope")...)
	if err != nil {
		t.Fatal(err)
	}
	fails(t, missing, "there is no such image", repository(t)+":nope")
	if len(s.Export()) != 0 {
		t.Errorf("state: %+v", s.Export())
	}

	adopted, err := s.Run(context.WithoutCancel(t.Context()), importing(repository(t)+":1")...)
	if err != nil {
		t.Fatal(err)
	}
	succeeds(t, adopted, "= 1 imported")
	if linesWith(adopted.All(), "warning") > 0 {
		t.Errorf("it warns:\n%s", adopted.All())
	}
	if after := image(t, s); after.Outputs["digest"] != before.Outputs["digest"] ||
		after.Outputs["ref"] != before.Outputs["ref"] {
		t.Errorf("imported: %v, was %v", after.Outputs, before.Outputs)
	}
	succeeds(t, s.Up("--skip-preview"), "~ 1 updated")
	succeeds(t, s.Up("--expect-no-changes"), "2 unchanged")
	if got := tagDigest(t, repository(t)+":1"); got != before.Outputs["digest"] {
		t.Errorf("the tag holds %s, want %v", got, before.Outputs["digest"])
	}
}
