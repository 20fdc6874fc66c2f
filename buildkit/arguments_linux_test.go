package buildkit_test

import (
	"archive/tar"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/mutate"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
)

// inlineCacheKey is where BuildKit keeps an inline cache in the configuration of an image.
const inlineCacheKey = `"moby.buildkit.cache.v0"`

// config returns the configuration of the only image, as text.
func (s *stepBuilder) config(t *testing.T, built buildkit.Built) string {
	t.Helper()
	text, err := s.image(t, built).RawConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// buildWithArg builds a Dockerfile with one build argument.
func (s *stepBuilder) buildWithArg(t *testing.T, dockerfile, name, value string) buildkit.Built {
	t.Helper()
	plan := s.plan(t, dockerfile)
	plan.BuildArgs = map[string]string{name: value}
	return s.mustBuild(t, plan)
}

func TestInlineCacheByArgument(t *testing.T) {
	t.Parallel()
	s := newStepBuilder(t)
	for value, want := range map[string]bool{
		"1": true, "true": true, "T": true, "0": false, "false": false, "": false, "yes": false,
	} {
		built := s.buildWithArg(t, "RUN true", "BUILDKIT_INLINE_CACHE", value)
		if got := strings.Contains(s.config(t, built), inlineCacheKey); got != want {
			t.Errorf("%q: the image has a cache: %t", value, got)
		}
	}
	plan := s.plan(t, "RUN true")
	plan.BuildArgs = map[string]string{"BUILDKIT_INLINE_CACHE": "1"}
	both, err := s.solve(t.Context(), plan, buildkit.Access{CacheTo: []buildkit.Cache{{Type: "inline"}}})
	if err != nil || both.Digest != s.mustBuild(t, plan).Digest {
		t.Errorf("asked for twice it is %v, %v", both, err)
	}
}

// The argument turns an image of one platform into an index. The index has the annotations too.
func TestMultiPlatformByArgument(t *testing.T) {
	t.Parallel()
	s := newStepBuilder(t)
	for value, want := range map[string]int{"1": 1, "true": 1, "0": 0, "": 0} {
		plan := s.plan(t, "RUN true")
		plan.BuildArgs = map[string]string{"BUILDKIT_MULTI_PLATFORM": value}
		plan.Annotations, plan.TestTargets = map[string]string{"a": "b"}, []string{"base"}
		d := s.document(t, s.mustBuild(t, plan).Digest)
		if len(d.Manifests) != want || d.Annotations["a"] != "b" {
			t.Errorf("%q: %d manifests, annotations %v", value, len(d.Manifests), d.Annotations)
		}
	}
}

func TestHostnameByArgument(t *testing.T) {
	t.Parallel()
	s := newStepBuilder(t)
	for value, want := range map[string]string{"builder-7": "builder-7\n", "": "buildkitsandbox\n"} {
		built := s.buildWithArg(t, "RUN hostname >/name", "BUILDKIT_SANDBOX_HOSTNAME", value)
		if got := s.fileContent(t, built, "name"); got != want {
			t.Errorf("%q: got %q", value, got)
		}
	}
}

// Each name has a cache mount of its own for an id. Builds without a name share another one.
func TestCacheMountsByArgument(t *testing.T) {
	t.Parallel()
	s := newStepBuilder(t)
	id := strings.ReplaceAll(s.repository, "/", "-")
	for _, c := range []struct{ name, word, want string }{
		{"one", "a", "a"}, {"two", "b", "b"}, {"", "c", "c"}, {"one", "d", "ad"}, {"", "e", "ce"},
	} {
		run := "RUN --mount=type=cache,id=" + id + ",target=/c printf " + c.word + " >>/c/f; cp /c/f /f"
		built := s.buildWithArg(t, run, "BUILDKIT_CACHE_MOUNT_NS", c.name)
		if got := s.fileContent(t, built, "f"); got != c.want {
			t.Errorf("%q: got %q, want %q", c.name, got, c.want)
		}
	}
}

func TestDockerfileCheckByArgument(t *testing.T) {
	t.Parallel()
	s := newStepBuilder(t)
	const dockerfile = "MAINTAINER nobody"
	for value, want := range map[string]string{
		"": "MaintainerDeprecated", "skip=all": "", "skip=MaintainerDeprecated;error=true": "",
	} {
		s.events = nil
		s.buildWithArg(t, dockerfile, "BUILDKIT_DOCKERFILE_CHECK", value)
		if got := s.warnings(); !strings.Contains(got, want) || (got == "") != (want == "") {
			t.Errorf("%q: warned %q", value, got)
		}
	}
	plan := s.plan(t, dockerfile)
	plan.BuildArgs = map[string]string{"BUILDKIT_DOCKERFILE_CHECK": "error=true"}
	if _, err := s.solve(t.Context(), plan, buildkit.Access{}); err == nil ||
		!strings.Contains(err.Error(), "lint violation found for rules: MaintainerDeprecated") {
		t.Errorf("got %v", err)
	}
	for value, wrong := range map[string]bool{"": false, "skip=a,b;error=1": false, "error=maybe": true, "all": true} {
		if err := inputs.ValidateChecks(value); (err != nil) != wrong ||
			err != nil && !errors.As(err, new(*inputs.ChecksError)) {
			t.Errorf("%q: %v", value, err)
		}
	}
}

// BUILDKIT_SYNTAX selects the frontend of this process, so the daemon does not fetch the one of the # syntax= line.
func TestOwnFrontendByArgument(t *testing.T) {
	t.Parallel()
	s := newStepBuilder(t)
	plan := s.plan(t, "RUN echo built >/built")
	plan.Files.Inline = append([]byte("# syntax=127.0.0.1:1/nobody/frontend:1\n"), plan.Files.Inline...)
	plan.BuildArgs = map[string]string{"BUILDKIT_SYNTAX": "dockerfile.v0"}
	for _, plan.Provenance = range []string{"", "max"} {
		built, err := s.solve(t.Context(), plan, buildkit.Access{Guard: &buildkit.Guard{}})
		if err != nil || plan.Provenance == "" && s.fileContent(t, built, "built") != "built\n" {
			t.Errorf("%q: %v", plan.Provenance, err)
		}
	}
}

// The configuration has the time of the argument. The files keep their times, unlike with Plan.Epoch.
func TestSourceDateEpochByArgument(t *testing.T) {
	t.Parallel()
	s := newStepBuilder(t)
	built := s.buildWithArg(t, "RUN true", "SOURCE_DATE_EPOCH", "1700000000")
	if config := s.config(t, built); !strings.Contains(config, `"created":"2023-11-14T22:13:20Z"`) {
		t.Errorf("got %s", config)
	}
}

func TestGitFolderByArgument(t *testing.T) {
	t.Parallel()
	s, url := newStepBuilder(t), serveGit(t, "FROM scratch\nCOPY . /\n")
	for value, want := range map[string]bool{"1": true, "true": true, "0": false, "": false} {
		plan := inputs.Plan{Files: inputs.Files{Context: url}, Repositories: []string{s.repository},
			BuildArgs: map[string]string{
				"BUILDKIT_CONTEXT_KEEP_GIT_DIR": value, "BUILDKIT_GIT_ADVICE": value, "BUILDKIT_BUILD_NAME": "x",
			}}
		if got := s.hasFile(t, s.mustBuild(t, plan), ".git/HEAD"); got != want {
			t.Errorf("%q: .git is there: %t", value, got)
		}
	}
}

// hasFile reports whether the image has a file.
func (s *stepBuilder) hasFile(t *testing.T, built buildkit.Built, path string) bool {
	t.Helper()
	content := mutate.Extract(s.image(t, built))
	defer content.Close()
	for reader := tar.NewReader(content); ; {
		h, err := reader.Next()
		if err != nil {
			return false
		}
		if h.Name == path {
			return true
		}
	}
}

// serveGit serves a repository with a Dockerfile on the branch main, and returns its URL.
func serveGit(t *testing.T, dockerfile string) string {
	t.Helper()
	dir := t.TempDir()
	writeFile(filepath.Join(dir, "Dockerfile"), dockerfile)
	for _, args := range [][]string{
		{"init", "-q", "-b", "main"}, {"add", "."}, {"commit", "-qm", "x"}, {"update-server-info"},
	} {
		cmd := exec.CommandContext(
			t.Context(), "git", append([]string{"-C", dir, "-c", "user.name=t", "-c", "user.email=t@t"}, args...)...,
		)
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL="+os.DevNull)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %q: %v\n%s", args, err, out)
		}
	}
	site := httptest.NewServer(http.StripPrefix("/repo.git", http.FileServer(http.Dir(filepath.Join(dir, ".git")))))
	t.Cleanup(site.Close)
	return site.URL + "/repo.git#main"
}
