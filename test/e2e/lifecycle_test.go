//go:build linux

package e2e

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

const twoPlatforms = `
context: { location: . }
platforms: [linux/amd64, linux/arm64]
tags: ["REPO:1"]
`

// forkingDockerfile has a step that forks on both platforms. A half-configured emulator fails there.
const forkingDockerfile = `FROM BUSYBOX
COPY greeting /greeting
RUN uname -m | tr a-z A-Z > /machine && sh -c 'cat /greeting /machine | wc -l' > /lines
`

// Runs the commands of an afternoon, and checks what each must do and must not do.
func TestAnImageFromFirstUpToDestroy(t *testing.T) {
	t.Parallel()
	tag := repository(t) + ":1"
	files := map[string]string{"Dockerfile": forkingDockerfile, "greeting": "hello\n",
		".dockerignore": "Pulumi*.yaml\n"}
	// The stack has its own daemon, because the test checks that it ends.
	s := stack.New(t, stack.Config{Bin: shared.Bin, Program: project(t, twoPlatforms, files)})

	succeeds(t, s.Up(), "+ 2 created")
	first := image(t, s)
	pushed := fetchManifest(t, tag)
	if pushed == nil || first.Outputs["digest"] != pushed.Digest.String() {
		t.Fatalf("output digest is %v, the registry serves %v for %s", first.Outputs["digest"], pushed, tag)
	}
	want := []string{"linux/amd64", "linux/arm64"}
	if got := platforms(t, tag); !slices.Equal(got, want) {
		t.Errorf("the index has %v, want %v", got, want)
	}
	manifests, _ := first.Outputs["manifests"].(map[string]any)
	if got := slices.Sorted(maps.Keys(manifests)); !slices.Equal(got, want) {
		t.Errorf("output manifests has %v, want %v", got, want)
	}

	succeeds(t, s.Up("--expect-no-changes"), "2 unchanged")

	now := time.Now()
	if err := os.Chtimes(filepath.Join(s.Dir, "greeting"), now, now); err != nil {
		t.Fatal(err)
	}
	succeeds(t, s.Up("--expect-no-changes"), "2 unchanged")

	if err := s.Write("greeting", "hellO\n"); err != nil {
		t.Fatal(err)
	}
	succeeds(t, s.Up("--diff"), "~ contextHash", "~ 1 updated")
	second := image(t, s)
	if second.Outputs["digest"] == first.Outputs["digest"] ||
		fetchManifest(t, tag).Digest.String() != second.Outputs["digest"] {
		t.Errorf("after the change: digest %v, before %v", second.Outputs["digest"], first.Outputs["digest"])
	}

	succeeds(t, s.Destroy(), "- 2 deleted")
	if left := fetchManifest(t, tag); left != nil {
		t.Errorf("destroy left %s at %s", tag, left.Digest)
	}
	if err := s.AwaitEnd(t.Context()); err != nil {
		t.Error(err)
	}
	if err := stack.AwaitDaemonEnd(t.Context(), s.Daemon); err != nil {
		t.Error(err)
	}
}

func TestOnePlatformIsAPlainManifestWithTheSameOutputs(t *testing.T) {
	t.Parallel()
	properties := "context: { location: . }\nplatforms: [linux/amd64]\ntags: [\"REPO:1\"]"
	s := open(t, project(t, properties, map[string]string{"Dockerfile": "FROM BUSYBOX\nRUN touch /x\n"}))
	succeeds(t, s.Up("--skip-preview"), "+ 2 created")

	outputs, pushed := image(t, s).Outputs, fetchManifest(t, repository(t)+":1")
	if !pushed.MediaType.IsImage() {
		t.Errorf("the registry serves %s, want a manifest", pushed.MediaType)
	}
	digest := pushed.Digest.String()
	manifests, _ := outputs["manifests"].(map[string]any)
	single, _ := manifests["linux/amd64"].(map[string]any)
	for output, got := range map[string][2]any{
		"digest":     {outputs["digest"], digest},
		"ref":        {outputs["ref"], repository(t) + ":1@" + digest},
		"repoDigest": {outputs["repoDigest"], repository(t) + "@" + digest},
		"manifests":  {single["digest"], digest},
	} {
		if got[0] != got[1] {
			t.Errorf("output %s: %v, want %v", output, got[0], got[1])
		}
	}
	succeeds(t, s.Destroy("--skip-preview"))
}

// platforms returns the platforms of the index behind the reference, sorted.
func platforms(t *testing.T, reference string) []string {
	t.Helper()
	index, err := fetchManifest(t, reference).ImageIndex()
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, child := range manifest.Manifests {
		found = append(found, platform(child))
	}
	return slices.Sorted(slices.Values(found))
}

func platform(child v1.Descriptor) string {
	if child.Platform == nil {
		return "none"
	}
	return child.Platform.String()
}
