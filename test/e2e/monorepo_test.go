//go:build linux

package e2e

import (
	"os"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// Services share a build context. A change builds only the services that read the changed file.
func TestMonorepo(t *testing.T) {
	t.Parallel()
	s := stack.New(t, stack.Config{
		Bin: shared.Bin, Program: os.DirFS("../../examples/monorepo"), Daemon: shared.Daemon, Idle: 5 * time.Second,
		Values: map[string]string{"registry": repository(t), "base": shared.Base},
	})
	succeeds(t, s.Up("--skip-preview"), "+ 3 created")
	write(t, s, "services/api/run.sh", "#!/bin/sh\necho changed\n")
	write(t, s, "services/api/README.md", "nobody reads this\n")
	succeeds(t, s.Up("--skip-preview"), "buildkit:index:Image api updated", "~ 1 updated", "2 unchanged")
	write(t, s, "libs/log.sh", "log() { echo \"$1\"; }\n")
	succeeds(t, s.Up("--skip-preview"), "~ 2 updated")
	for _, service := range []string{"api", "worker"} {
		if fetchManifest(t, repository(t)+"/"+service+":latest") == nil {
			t.Errorf("there is no %s", service)
		}
	}
	succeeds(t, s.Destroy("--skip-preview"))
}

func write(t *testing.T, s *stack.Test, name, text string) {
	t.Helper()
	if err := s.Write(name, text); err != nil {
		t.Fatal(err)
	}
}
