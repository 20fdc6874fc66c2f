//go:build linux

package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// takenText is what an image says that was docker-build's and is ours now.
const takenText = "taken over from docker-build as it is: nothing is built"

// TestMoveFromDockerBuild changes one word in programs that versions of docker-build have deployed: each image is taken
// over as it is, and then belongs to us.
func TestMoveFromDockerBuild(t *testing.T) {
	t.Parallel()
	versions, err := filepath.Glob(filepath.Join(dockerBuildStates, "*"))
	if err != nil || len(versions) < 3 {
		t.Fatalf("%d versions, %v", len(versions), err)
	}
	for _, version := range versions {
		t.Run(filepath.Base(version), func(t *testing.T) {
			t.Parallel()
			s := openMoved(t, filepath.Base(version))
			checkTakeOver(t, s)
			checkMovedLifecycle(t, s)
		})
	}
}

// checkTakeOver runs the first update. The program names a builder that does not exist, so a build would fail.
func checkTakeOver(t *testing.T, s *movedStack) {
	t.Helper()
	updated := fmt.Sprintf("~ %d ", len(s.images))
	before := s.registry.Requests()
	for _, result := range []stack.Result{s.Preview(), s.Up("--skip-preview")} {
		succeeds(t, result, updated)
		_, messages, _ := strings.Cut(result.All(), "Diagnostics:")
		if got := strings.Count(messages, takenText); got != len(s.images) {
			t.Errorf("%d of %d images are taken over:\n%s", got, len(s.images), result.All())
		}
	}
	if written := writes(s.registry.Requests()[len(before):]); len(written) > 0 {
		t.Errorf("the registry was changed: %v", written)
	}
	resources := resourcesByName(s.Test)
	for _, r := range s.images {
		checkTakenOutputs(t, r, resources[r.name].Outputs)
	}
	succeeds(t, s.Up("--refresh", "--expect-no-changes", "--skip-preview"))
}

// checkTakenOutputs compares the outputs of an image that was taken over with those of docker-build.
func checkTakenOutputs(t *testing.T, r *recordedImage, outputs map[string]any) {
	t.Helper()
	for name, want := range map[string]string{"digest": r.digest, "ref": r.ref()} {
		if outputs[name] != want {
			t.Errorf("%s of %s is %v, want %q", name, r.name, outputs[name], want)
		}
	}
	if refs, _ := outputs["refs"].([]any); len(refs) != len(r.tags) {
		t.Errorf("refs of %s are %v, want those of %v", r.name, outputs["refs"], r.tags)
	}
	for _, secret := range []string{"secrets", "registries"} {
		if _, ok := outputs[secret]; ok {
			t.Errorf("the outputs of %s still have %s", r.name, secret)
		}
	}
}

// checkMovedLifecycle changes a file of each image and destroys the stack. The images of docker-build themselves stay.
func checkMovedLifecycle(t *testing.T, s *movedStack) {
	t.Helper()
	s.useBuilderOfTests(t)
	for _, r := range s.images {
		write(t, s.Test, r.name+"/app/main.txt", "changed\n")
	}
	succeeds(t, s.Up("--skip-preview"), fmt.Sprintf("~ %d updated", len(s.images)))
	resources := resourcesByName(s.Test)
	for _, r := range s.images {
		digest, _ := resources[r.name].Outputs["digest"].(string)
		if r.digest != "" && digest == r.digest {
			t.Errorf("the changed file of %s made the same image", r.name)
		}
		for _, tag := range r.tags {
			if got := tagDigest(t, tag); got != digest {
				t.Errorf("%s holds %s, want %s", tag, got, digest)
			}
		}
	}
	succeeds(t, s.Destroy("--skip-preview"))
	for _, r := range s.images {
		for _, tag := range r.tags {
			if got := tagDigest(t, tag); got != "" {
				t.Errorf("%s is left, and holds %s", tag, got)
			}
			if fetchManifest(t, repositoryOf(tag)+"@"+r.digest) == nil {
				t.Errorf("the image of docker-build is gone from %s", tag)
			}
		}
	}
}

// TestChangedFilesAreNotTakenOver builds when the files are not those that docker-build built.
func TestChangedFilesAreNotTakenOver(t *testing.T) {
	t.Parallel()
	s := openMoved(t, "0.0.22", "pushed")
	s.useBuilderOfTests(t)
	write(t, s.Test, "pushed/app/main.txt", "changed\n")
	succeeds(t, s.Up("--skip-preview"), "~ 1 updated", "not taken over as it is: contextHash changed")
	if got := tagDigest(t, s.images[0].tags[0]); got == s.images[0].digest || got == "" {
		t.Errorf("the tag holds %q", got)
	}
}

// TestLostImageIsNotTakenOver builds when the registry has lost the image of docker-build.
func TestLostImageIsNotTakenOver(t *testing.T) {
	t.Parallel()
	s := openMoved(t, "0.0.22", "pushed")
	s.useBuilderOfTests(t)
	s.registry.Inject(registrytest.Rule{
		Path:  "/manifests/" + s.images[0].digest,
		Fault: registrytest.Status(http.StatusNotFound, "MANIFEST_UNKNOWN", "manifest unknown", ""),
	})
	succeeds(t, s.Up("--skip-preview"), "~ 1 updated", "a repository does not have it")
}

// TestTakingOverMovesNoTag leaves a tag that somebody has moved since docker-build pushed it, and says so. Only the
// next update, which shows the difference, moves it.
func TestTakingOverMovesNoTag(t *testing.T) {
	t.Parallel()
	s := openMoved(t, "0.0.22", "many-options")
	r := s.images[0]
	other := s.registry.Push(t, strings.TrimPrefix(r.tags[0], s.registry.Host()+"/"), newContent(t, nil))
	said := r.tags[0] + " holds another image than docker-build pushed, " + other
	succeeds(t, s.Preview(), takenText, said)
	succeeds(t, s.Up("--skip-preview"), takenText, said)
	if got := tagDigest(t, r.tags[0]); got != other {
		t.Errorf("the tag was moved to %s", got)
	}
	outputs := image(t, s.Test).Outputs
	if refs, _ := outputs["refs"].([]any); len(refs) != 1 || refs[0] != r.tags[1] {
		t.Errorf("refs are %v, want that of %s", outputs["refs"], r.tags[1])
	}
	succeeds(t, s.Up("--skip-preview"), "~ 1 updated")
	if got := tagDigest(t, r.tags[0]); got != r.digest {
		t.Errorf("the tag holds %s, want %s", got, r.digest)
	}
}

// writes returns the requests that change a registry.
func writes(requests []registrytest.Request) []registrytest.Request {
	return slices.DeleteFunc(slices.Clone(requests), func(r registrytest.Request) bool {
		return r.Method == "GET" || r.Method == "HEAD"
	})
}

func repositoryOf(tag string) string { return tag[:strings.LastIndex(tag, ":")] }

// movedStack is a stack with images of docker-build. The program names our package.
type movedStack struct {
	*stack.Test
	registry *registrytest.Registry
	images   []*recordedImage
}

// ref returns the output ref that docker-build had, "" if nothing was pushed.
func (r *recordedImage) ref() string {
	if len(r.tags) == 0 {
		return ""
	}
	return r.tags[0] + "@" + r.digest
}

// useBuilderOfTests takes the builder out of the program, so that the daemon of the tests builds.
func (s *movedStack) useBuilderOfTests(t *testing.T) {
	t.Helper()
	const builder = `"builder":{"name":"here"},`
	path := filepath.Join(s.Dir, "Pulumi.yaml")
	rewriteFile(t, path, func(text []byte) []byte {
		return []byte(strings.ReplaceAll(string(text), builder, ""))
	})
	if text, _ := os.ReadFile(path); strings.Contains(string(text), `"here"`) {
		t.Fatalf("the builder is still in the program:\n%s", text)
	}
}
