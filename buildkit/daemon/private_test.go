//go:build linux

package daemon_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	controlapi "github.com/moby/buildkit/api/services/control"
	bk "github.com/moby/buildkit/client"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon"
)

func TestEnvironmentStaysOut(t *testing.T) {
	t.Parallel()
	dir := newDaemonFolder(t)
	const canary = "canary-of-the-environment"
	c := startClient(t, dir, time.Minute,
		"PULUMI_CONFIG_PASSPHRASE="+canary, "AWS_SECRET_ACCESS_KEY="+canary, "GITHUB_TOKEN="+canary, "PATHS="+canary,
		"MY_XDG_TOKEN="+canary,
		"HTTPS_PROXY=http://proxy.example:3128", "no_proxy=127.0.0.1,localhost")
	mustRun(t, c.endpoint(t), "true")
	keeper, daemon := runningProcesses(t, dir)
	for _, pid := range []int{keeper, daemon} {
		proc := filepath.Join("/proc", strconv.Itoa(pid))
		environ, err := os.ReadFile(proc + "/environ")
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(environ, []byte(canary)) {
			t.Errorf("process %d has the canary: %q", pid, environ)
		}
		for _, want := range []string{
			"PATH=", "HTTPS_PROXY=http://proxy.example:3128", "no_proxy=127.0.0.1,localhost",
		} {
			if !bytes.Contains(environ, []byte(want)) {
				t.Errorf("process %d has no %s: %q", pid, want, environ)
			}
		}
		for fd, want := range map[string]string{"0": "/dev/null", "1": dir, "2": dir} {
			if target, err := os.Readlink(proc + "/fd/" + fd); err != nil || !strings.HasPrefix(target, want) {
				t.Errorf("file descriptor %s of process %d is %s (%v)", fd, pid, target, err)
			}
		}
	}
}

func TestFolderIsPrivate(t *testing.T) {
	t.Parallel()
	dir := newDaemonFolder(t)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	acquire(t, daemon.Options{Dir: dir})
	modes := map[string]fs.FileMode{".": 0o700}
	for _, file := range []string{
		"buildkitd.toml", "buildkitd.log", "keeper.log", "debug.log", "clients.lock", "start.lock", "alive.lock",
		"pids",
	} {
		modes[file] = 0o600
	}
	for name, want := range modes {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Error(err)
		} else if info.Mode().Perm() != want {
			t.Errorf("%s has mode %o, not %o", name, info.Mode().Perm(), want)
		}
	}
}

// It asks the daemon how it understood its configuration.
func TestDaemonIsConfigured(t *testing.T) {
	t.Parallel()
	dir := newDaemonFolder(t)
	lease, _ := acquire(t, daemon.Options{Dir: dir})
	membership := mustRun(t, lease.Endpoint(), "cat /proc/self/cgroup && umask")
	c, err := bk.New(t.Context(), lease.Endpoint())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	workers, err := c.ListWorkers(t.Context())
	if err != nil || len(workers) != 1 {
		t.Fatalf("%d workers, %v", len(workers), err)
	}
	for label, want := range map[string]string{"executor": "oci", "snapshotter": "overlayfs"} {
		if got := workers[0].Labels["org.mobyproject.buildkit.worker."+label]; got != want {
			t.Errorf("%s is %q", label, got)
		}
	}
	wantPolicy(t, workers[0].GCPolicy)
	if groups := cgroups(t, dir); len(groups) == 0 {
		t.Errorf("the steps have no cgroup of their own; a step saw %s", membership)
	}
	if _, err := os.Stat(dir + "/otel.sock"); err != nil {
		t.Errorf("the daemon uses the system's trace socket: %v", err)
	}
	history, err := c.ControlClient().ListenBuildHistory(t.Context(), &controlapi.BuildHistoryRequest{EarlyExit: true})
	if err != nil {
		t.Fatal(err)
	}
	if record, err := history.Recv(); err == nil {
		t.Errorf("the build is in the history: %v", record)
	}
}

func wantPolicy(t *testing.T, policy []bk.PruneInfo) {
	t.Helper()
	if len(policy) != 5 {
		t.Fatalf("%d rules: %v", len(policy), policy)
	}
	if p := policy[0]; p.KeepDuration != 14*24*time.Hour || p.MaxUsedSpace != 512e6 ||
		p.Filter[0] != "type==source.local" {
		t.Errorf("local sources: %+v", p)
	}
	if p := policy[1]; p.KeepDuration != 48*time.Hour || p.MaxUsedSpace != 512e6 || len(p.Filter) != 2 {
		t.Errorf("other sources: %+v", p)
	}
	if p := policy[2]; p.KeepDuration != 60*24*time.Hour {
		t.Errorf("everything: %+v", p)
	}
	for _, p := range policy[2:] {
		if p.ReservedSpace <= 0 || p.MaxUsedSpace < p.ReservedSpace || p.MinFreeSpace <= 0 {
			t.Errorf("sizes: %+v", p)
		}
	}
	if !policy[4].All || policy[3].All {
		t.Errorf("internal data goes last: %+v", policy[3:])
	}
}

func TestOptionsSayWhatIsWrong(t *testing.T) {
	skipWithoutDaemon(t)
	t.Setenv("PULUMI_BUILDKIT_DAEMON_IDLE", "90")
	_, err := daemon.Acquire(t.Context(), daemon.Options{Dir: t.TempDir()})
	if err == nil || err.Error() != `PULUMI_BUILDKIT_DAEMON_IDLE="90" is not a duration above zero` {
		t.Errorf("error %v", err)
	}
	wantFault(t, err, daemon.IdleText)
	t.Setenv("PULUMI_BUILDKIT_DAEMON_IDLE", "")
	for _, size := range []string{"much", "0", "-1GB", "20 apples"} {
		t.Setenv("PULUMI_BUILDKIT_DAEMON_SIZE", size)
		_, err := daemon.Acquire(t.Context(), daemon.Options{Dir: t.TempDir()})
		if want := fmt.Sprintf("PULUMI_BUILDKIT_DAEMON_SIZE=%q is not a size above zero", size); err == nil ||
			err.Error() != want {
			t.Errorf("error %v", err)
		}
		wantFault(t, err, daemon.SizeText)
	}
	t.Setenv("PULUMI_BUILDKIT_DAEMON_SIZE", "")
	foreign := t.TempDir()
	if err := os.Chown(foreign, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	_, err = daemon.Acquire(t.Context(), daemon.Options{Dir: foreign})
	if err == nil || !strings.Contains(err.Error(), "belongs to user 65534") {
		t.Errorf("error %v", err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = daemon.Acquire(t.Context(), daemon.Options{Dir: file})
	wantFault(t, err, daemon.FolderUnusable)
}
