//go:build linux

package e2e

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// A program of the Automation API prints a line for each finished image.
func TestAutomation(t *testing.T) {
	t.Parallel()
	binary := filepath.Join(t.TempDir(), "automation")
	build := exec.CommandContext(t.Context(), "go", "build", "-ldflags=-s -w", "-o", binary, ".")
	build.Dir = "../../examples/automation"
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v:\n%s", err, out)
	}
	app, err := filepath.Abs("../../examples/automation/app")
	if err != nil {
		t.Fatal(err)
	}
	s := stack.New(t, stack.Config{
		Bin: shared.Bin, Program: program(t, "outputs: {}\n", nil), Daemon: shared.Daemon, Idle: 5 * time.Second,
		Env: []string{"PULUMI_AUTOMATION_API_SKIP_VERSION_CHECK=true"}, // a CLI that is built here has no version
	})
	run := func() stack.Result {
		result, err := s.Exec(t.Context(), binary, "-repository", repository(t), "-app", app)
		if err != nil {
			t.Fatal(err)
		}
		succeeds(t, result)
		return result
	}
	first := run()
	says(t, first, "[4/4]", "1.0-small: built", "1.1-debug: built", "1.1-small "+repository(t)+"@sha256:")
	digests := map[string]bool{}
	for _, digest := range regexp.MustCompile(`@sha256:\S+`).FindAllString(first.Stdout, -1) {
		digests[digest] = true
		if fetchManifest(t, repository(t)+digest) == nil {
			t.Errorf("%s is not in the registry", digest)
		}
	}
	if len(digests) != 4 {
		t.Errorf("four images have the digests %v", digests)
	}
	if again := run(); strings.Count(again.Stdout, "unchanged") != 4 {
		t.Errorf("a second time:\n%s", again.All())
	}
}
