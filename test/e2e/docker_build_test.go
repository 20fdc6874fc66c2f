//go:build linux

package e2e

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// TestMoveFromDockerBuild changes one word in programs that docker-build has deployed: the image is taken over as it
// is, and then belongs to us.
func TestMoveFromDockerBuild(t *testing.T) {
	t.Parallel()
	folders, err := filepath.Glob("testdata/docker-build/*/*")
	if err != nil || len(folders) < 9 {
		t.Fatalf("%d recorded stacks, %v", len(folders), err)
	}
	for _, folder := range folders {
		t.Run(strings.TrimPrefix(folder, "testdata/docker-build/"), func(t *testing.T) {
			t.Parallel()
			s := openMoved(t, folder)
			checkTakeOver(t, s)
			if slices.Contains(withLifecycle, s.name) {
				checkMovedLifecycle(t, s)
			}
		})
	}
}

// withLifecycle are the recorded stacks that are also previewed, changed and destroyed. Each command takes half a
// second.
var withLifecycle = []string{"pushed", "two-platforms", "inline-and-named", "many-options"}

// checkTakeOver runs the first update. The program names a builder that does not exist, so a build would fail.
func checkTakeOver(t *testing.T, s *movedStack) {
	t.Helper()
	const taken = "taken over from docker-build as it is: nothing is built"
	if slices.Contains(withLifecycle, s.name) {
		succeeds(t, s.Preview("--diff"), taken)
	}
	before := s.registry.Requests()
	succeeds(t, s.Up("--skip-preview"), taken, "~ 1 updated")
	if written := writes(s.registry.Requests()[len(before):]); len(written) > 0 {
		t.Errorf("the registry was changed: %v", written)
	}
	outputs := image(t, s.Test).Outputs
	for name, want := range map[string]string{"digest": s.digest, "ref": s.ref()} {
		if outputs[name] != want {
			t.Errorf("%s is %v, want %s", name, outputs[name], want)
		}
	}
	if refs, _ := outputs["refs"].([]any); len(refs) != len(s.tags) {
		t.Errorf("refs are %v, want those of %v", outputs["refs"], s.tags)
	}
	for _, secret := range []string{"secrets", "registries"} {
		if _, ok := outputs[secret]; ok {
			t.Errorf("the outputs still have %s", secret)
		}
	}
	succeeds(t, s.Up("--refresh", "--expect-no-changes", "--skip-preview"))
}

// checkMovedLifecycle changes a file and destroys the stack. The image of docker-build itself stays.
func checkMovedLifecycle(t *testing.T, s *movedStack) {
	t.Helper()
	s.useBuilderOfTests(t)
	write(t, s.Test, "app/main.txt", "changed\n")
	succeeds(t, s.Up("--skip-preview"), "~ 1 updated")
	digest, _ := image(t, s.Test).Outputs["digest"].(string)
	if s.digest != "" && digest == s.digest {
		t.Error("the changed file made the same image")
	}
	for _, tag := range s.tags {
		if got := tagDigest(t, tag); got != digest {
			t.Errorf("%s holds %s, want %s", tag, got, digest)
		}
	}
	succeeds(t, s.Destroy("--skip-preview"))
	for _, tag := range s.tags {
		if got := tagDigest(t, tag); got != "" {
			t.Errorf("%s is left, and holds %s", tag, got)
		}
		if fetchManifest(t, repositoryOf(tag)+"@"+s.digest) == nil {
			t.Errorf("the image of docker-build is gone from %s", tag)
		}
	}
}

// TestChangedFilesAreNotTakenOver builds when the files are not those that docker-build built.
func TestChangedFilesAreNotTakenOver(t *testing.T) {
	t.Parallel()
	s := openMoved(t, "testdata/docker-build/0.0.22/pushed")
	s.useBuilderOfTests(t)
	write(t, s.Test, "app/main.txt", "changed\n")
	succeeds(t, s.Up("--skip-preview"), "~ 1 updated", "not taken over as it is: contextHash changed")
	if got := tagDigest(t, s.tags[0]); got == s.digest || got == "" {
		t.Errorf("the tag holds %q", got)
	}
}

// TestLostImageIsNotTakenOver builds when the registry has lost the image of docker-build.
func TestLostImageIsNotTakenOver(t *testing.T) {
	t.Parallel()
	s := openMoved(t, "testdata/docker-build/0.0.22/pushed")
	s.useBuilderOfTests(t)
	s.registry.Inject(registrytest.Rule{
		Path:  "/manifests/" + s.digest,
		Fault: registrytest.Status(http.StatusNotFound, "MANIFEST_UNKNOWN", "manifest unknown", ""),
	})
	succeeds(t, s.Up("--skip-preview"), "~ 1 updated", "a repository does not have it")
}

// writes returns the requests that change a registry.
func writes(requests []registrytest.Request) []registrytest.Request {
	return slices.DeleteFunc(slices.Clone(requests), func(r registrytest.Request) bool {
		return r.Method == "GET" || r.Method == "HEAD"
	})
}

func repositoryOf(tag string) string { return tag[:strings.LastIndex(tag, ":")] }

// movedStack is a stack of docker-build, with its image in a registry of the test. The program names our package.
type movedStack struct {
	*stack.Test
	name     string
	registry *registrytest.Registry
	tags     []string
	digest   string // "" if nothing was pushed
}

// ref returns the output ref that docker-build had, "" if nothing was pushed.
func (s *movedStack) ref() string {
	if len(s.tags) == 0 {
		return ""
	}
	return s.tags[0] + "@" + s.digest
}

// useBuilderOfTests takes the builder out of the program, so that the daemon of the tests builds.
func (s *movedStack) useBuilderOfTests(t *testing.T) {
	t.Helper()
	rewriteFile(t, filepath.Join(s.Dir, "Pulumi.yaml"), func(text []byte) []byte {
		return []byte(strings.Replace(string(text), `"builder":{"name":"here"},`, "", 1))
	})
	if text, _ := os.ReadFile(filepath.Join(s.Dir, "Pulumi.yaml")); strings.Contains(string(text), "here") {
		t.Fatalf("the builder is still in the program:\n%s", text)
	}
}
