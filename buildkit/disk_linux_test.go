package buildkit_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/moby/buildkit/client"
	"golang.org/x/sys/unix"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon/daemontest"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
)

// smallDaemon starts a daemon on a disk of 24 MiB and connects to it.
func smallDaemon(t *testing.T) *client.Client {
	t.Helper()
	daemontest.SkipWithoutDaemon(t)
	dir := filepath.Join(t.TempDir(), "d")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "mode=0700,size=24m"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	lease, err := daemon.Acquire(t.Context(), daemon.Options{Dir: dir, Idle: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = lease.Release() })
	if disk := lease.Disk(); disk.Path != dir || !disk.Known || disk.Free > 24<<20 {
		t.Errorf("its disk: %+v", disk)
	}
	c, err := dial(t.Context(), lease.Endpoint())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// The error of a daemon whose disk is full has the fault DiskFull.
func TestFullDiskOfTheDaemon(t *testing.T) {
	t.Parallel()
	c := smallDaemon(t)
	solve := func(dockerfile string) *buildkit.StepError {
		t.Helper()
		plan := inlinePlan(t.TempDir(), dockerfile)
		if err := os.WriteFile(plan.Files.Context+"/a", make([]byte, 32<<20), 0o600); err != nil {
			t.Fatal(err)
		}
		inputs, err := inputs.Load(t.Context(), plan)
		if err != nil {
			t.Fatal(err)
		}
		_, err = buildkit.Solve(
			t.Context(), c, plan, inputs, buildkit.Access{Credentials: noCredentials}, func(buildkit.Event) {},
		)
		if step, ok := errors.AsType[*buildkit.StepError](err); ok {
			return step
		}
		t.Fatalf("%T: %v", err, err)
		return nil
	}
	if step := solve("FROM scratch\nCOPY a /a\nCOPY a /b"); step.Fault != buildkit.DiskFull ||
		!strings.Contains(step.Reason, "no space left on device") {
		t.Errorf("got fault %d: %v", step.Fault, step)
	}
}
