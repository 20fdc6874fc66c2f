package provider

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon/daemontest"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// The embedded daemon freezes during a step. The same update notices that, replaces the daemon and builds once more.
// Nothing of the frozen daemon is left.
func TestAFrozenEmbeddedDaemonIsReplaced(t *testing.T) {
	daemontest.SkipWithoutDaemon(t)
	dir := filepath.Join(t.TempDir(), "d")
	t.Setenv("PULUMI_BUILDKIT_DAEMON_DIR", dir)
	t.Setenv("PULUMI_BUILDKIT_DAEMON_IDLE", "5s")
	f := newEmbeddedProviderWith(t, &settings{silence: 3 * time.Second}, `"host": "local://"`)
	const step = "sleep 7.77031"
	isStep := func(p stack.Proc) bool { return p.Command == step }
	var frozen int
	var began time.Time
	done := make(chan error, 1)
	go func() {
		err := stack.WaitUntil(t.Context(), time.Minute, func() bool { return len(stack.Processes(isStep)) > 0 })
		pids, errRead := os.ReadFile(dir + "/pids")
		_, errScan := fmt.Sscan(string(pids), new(int), &frozen)
		if err == nil && errRead == nil && errScan == nil {
			began, err = time.Now(), syscall.Kill(frozen, syscall.SIGSTOP)
		}
		done <- err
	}()
	tag := f.Host() + "/app:1"
	out, err := f.apply(t, "FROM "+pushBusybox(t, registrytest.New(t).Host())+"\nRUN "+step, tag)
	ended := time.Now()
	if errFreeze := <-done; errFreeze != nil || began.IsZero() {
		t.Fatalf("the daemon was not frozen: %v", errFreeze)
	}
	if err != nil || f.Tags("app")["1"] != text(out, "digest") {
		t.Errorf("the build failed: %v\n%s", err, f.logText())
	}
	if took := ended.Sub(began); took > time.Minute {
		t.Errorf("the update took %s more", took)
	}
	for _, want := range []string{"WARNING the daemon has given no sign of life for ", "; trying once more"} {
		if strings.Count(f.logText(), want) != 1 {
			t.Errorf("the log does not say %q once:\n%s", want, f.logText())
		}
	}
	isFrozen := func(p stack.Proc) bool { return p.PID == frozen }
	if len(stack.Processes(isFrozen)) > 0 || len(stack.Processes(isStep)) > 0 {
		t.Error("a process of the frozen daemon is left")
	}
}
