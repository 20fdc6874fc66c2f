//go:build linux

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// Production runs the image that development built, and builds nothing. It takes a later image only with its next
// update.
func TestPromotion(t *testing.T) {
	t.Parallel()
	s := stack.New(t, stack.Config{
		Bin: shared.Bin, Daemon: shared.Daemon, Idle: 5 * time.Second,
		Program: os.DirFS("../../examples/promotion"), Folder: "build",
		Values: map[string]string{"repository": repository(t)},
	})
	succeeds(t, s.Up("--skip-preview"), "+ 2 created")
	production := []string{"--cwd", filepath.Join(s.Dir, "../production"), "--non-interactive"}
	in := func(args ...string) stack.Result {
		result, err := s.Run(t.Context(), append(production, args...)...)
		if err != nil {
			t.Fatal(err)
		}
		succeeds(t, result)
		return result
	}
	in("stack", "init", "prod")
	production = append(production, "--stack", "prod")
	in("config", "set", "built", "organization/app/dev")
	in("up", "--yes", "--skip-preview")
	running := strings.TrimSpace(in("stack", "output", "image").Stdout)
	tried := cli(t, s, "stack", "output", "image").Stdout
	if running != strings.TrimSpace(tried) || !strings.Contains(running, "@sha256:") {
		t.Errorf("production runs %q, development tried %q", running, tried)
	}
	write(t, s, "app/index.html", "<h1>Bye</h1>\n")
	succeeds(t, s.Up("--skip-preview"), "~ 1 updated")
	if now := strings.TrimSpace(in("stack", "output", "image").Stdout); now != running ||
		fetchManifest(t, running) == nil {
		t.Errorf("production runs %q, want %q, which is in the registry: %v", now, running,
			fetchManifest(t, running) != nil)
	}
	succeeds(t, s.Destroy("--skip-preview"))
}
