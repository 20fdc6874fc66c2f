//go:build linux

package daemon_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/containerd/platforms"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/moby/buildkit/client/llb"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon/daemontest"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/endpoint"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
)

// offlineReason returns the second line that a client prints.
func offlineReason(t *testing.T, c clientProcess) string {
	t.Helper()
	line, err := c.output.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(line)
}

// wantOrdinaryGone waits until nothing is left of the daemon in the home, also no temporary file of rootlesskit.
func wantOrdinaryGone(t *testing.T, home string) {
	t.Helper()
	wantGone(t, filepath.Join(home, "d"))
	eventually(t, patience, "no temporary file of the daemon", func() bool {
		return len(namespaceFolders(t, home)) == 0
	})
}

// buildAndPush builds a small image on a daemon and returns its digest.
func buildAndPush(t *testing.T, address, host string) string {
	t.Helper()
	dir := t.TempDir()
	fixture := filepath.Join("../../.cache/fixtures", "busybox-"+platforms.DefaultSpec().Architecture)
	busybox, err := os.ReadFile(filepath.Join(fixture, "busybox"))
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dir, "busybox"), busybox, 0o755))
	epoch := int64(1_500_000_000)
	plan := inputs.Plan{
		Files: inputs.Files{Context: dir, Inline: []byte("FROM scratch\nCOPY --chown=7:8 busybox /bin/busybox\n" +
			`RUN ["/bin/busybox", "sh", "-c", "/bin/busybox id >/id && /bin/busybox mkdir -m 1777 /d && ` +
			`/bin/busybox chown 1000:65535 /d"]` + "\n")},
		Epoch: &epoch, Repositories: []string{host + "/image"}, Insecure: []string{host},
	}
	in, err := inputs.Load(t.Context(), plan)
	must(t, err)
	e, err := endpoint.Parse(address)
	must(t, err)
	c, err := e.Dial(t.Context(), endpoint.Options{})
	must(t, err)
	defer c.Close()
	access := buildkit.Access{Credentials: func(context.Context, string) (buildkit.Credential, error) {
		return buildkit.Credential{}, nil
	}}
	built, err := buildkit.Solve(t.Context(), c, plan, in, access, func(buildkit.Event) {})
	must(t, err)
	return built.Digest
}

// An ordinary user's daemon builds the same image as root's daemon, pushes it to a registry on loopback, and leaves
// nothing.
func TestOrdinaryUser(t *testing.T) {
	t.Parallel()
	home, program := ordinaryHome(t)
	c := startOrdinary(t, daemontest.UsualMachine, home, program, 300*time.Millisecond)
	address := c.endpoint(t)
	if reason := offlineReason(t, c); reason != "" {
		t.Errorf("steps have no network: %s", reason)
	}
	server := httptest.NewServer(registry.New(registry.Logger(slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo))))
	t.Cleanup(server.Close)
	host := strings.TrimPrefix(server.URL, "http://")
	lease, _ := acquire(t, daemon.Options{Dir: newDaemonFolder(t)})
	want := buildAndPush(t, lease.Endpoint(), host)
	if got := buildAndPush(t, address, host); got != want {
		t.Errorf("the digest is %s, on the daemon of root %s", got, want)
	}
	config, err := os.ReadFile(filepath.Join(home, "d/buildkitd.toml"))
	must(t, err)
	wantTexts(t, string(config), "rootless = true", `snapshotter = "overlayfs"`, "# rootlesskit sha256:")
	second := startOrdinary(t, daemontest.UsualMachine, home, program, 300*time.Millisecond)
	if got := second.endpoint(t); got != address {
		t.Errorf("another client has %s, not %s", got, address)
	}
	must(t, second.stdin.Close())
	must(t, c.stdin.Close())
	wantOrdinaryGone(t, home)
}

// Steps of an ordinary user's daemon have their own network or none, never the network of the machine.
func TestNetworkOfAnOrdinaryUser(t *testing.T) {
	t.Parallel()
	home, program := ordinaryHome(t)
	c := startOrdinary(t, daemontest.UsualMachine, home, program, time.Second)
	address, port := c.endpoint(t), machineServer(t)
	machine := fmt.Sprintf("get http://%s:%d", machineAddress(t), port)
	loopback := fmt.Sprintf("get http://127.0.0.1:%d", port)
	arch := platforms.DefaultSpec().Architecture
	attempt := func(network llb.RunOption, entitlements ...string) (string, error) {
		program := llb.Args([]string{"/probe", machine, loopback, "interfaces"})
		step := probeBase().Run(program, llb.IgnoreCache, network).Root()
		return solveProbe(t.Context(), address, arch, buildProbe(t, arch), step, entitlements...)
	}
	got, err := attempt(llb.Network(llb.NetModeSandbox))
	must(t, err)
	wantTexts(t, got, machine+": REACHED", loopback+": FAILED", "lo65536 [127.0.0.1/8 ::1/128] eth016384 [")
	got, err = attempt(llb.Network(llb.NetModeNone))
	must(t, err)
	wantTexts(t, got, machine+": FAILED", loopback+": FAILED", "interfaces: lo65536 [127.0.0.1/8 ::1/128]\n")
	for _, entitlements := range [][]string{nil, {"network.host"}} {
		output, err := attempt(llb.Network(llb.NetModeHost), entitlements...)
		if err == nil || !strings.Contains(err.Error(), "network.host is not allowed") {
			t.Errorf("the network of the machine: %v\n%s", err, output)
		}
	}
}

// Without a TUN device for everybody the steps of an ordinary user have no network, and clients are told why.
func TestOrdinaryUserWithoutADevice(t *testing.T) {
	t.Parallel()
	home, program := ordinaryHome(t)
	machine := daemontest.UsualMachine
	machine.NoDevice = true
	c := startOrdinary(t, machine, home, program, time.Second)
	address := c.endpoint(t)
	if reason := offlineReason(t, c); !strings.Contains(reason, "/dev/net/tun: ") {
		t.Errorf("the reason for clients: %q", reason)
	}
	wantTexts(t, mustRun(t, address, "ip address; true"), "127.0.0.1/8")
}

// The daemon of an ordinary user has limits of processes and of /dev/shm. BuildKit leaves out those of memory without a
// word, which is why package provider refuses them.
func TestLimitsOfAnOrdinaryUser(t *testing.T) {
	t.Parallel()
	home, program := ordinaryHome(t)
	address := startOrdinary(t, daemontest.UsualMachine, home, program, time.Second).endpoint(t)
	arch := platforms.DefaultSpec().Architecture
	const script = "/bin/busybox --install -s /bin && df -k /dev/shm | tail -n1; ulimit -Sn; ulimit -Hn; " +
		"x=$(head -c 100000000 /dev/zero | tr '\\0' x); echo ${#x}"
	step := llb.Scratch().
		File(llb.Copy(llb.Local("probe"), "busybox", "/bin/busybox", &llb.CopyInfo{CreateDestPath: true})).
		Run(llb.Args([]string{"/bin/busybox", "sh", "-c", script}), llb.AddEnv("PATH", "/bin"), llb.IgnoreCache,
			llb.AddUlimit("nofile", 100, 200),
			llb.AddMount("/dev/shm", llb.Scratch(), llb.Tmpfs(llb.TmpfsSize(3<<20))),
			llb.WithLinuxResources(llb.LinuxResources{Memory: 16 << 20, MemorySwap: 16 << 20})).Root()
	output, err := solveProbe(t.Context(), address, arch, "../../.cache/fixtures/busybox-"+arch, step)
	must(t, err)
	wantTexts(t, output, " 3072 ", "100\n200\n100000000\n")
}

func TestForeignStepOfAnOrdinaryUser(t *testing.T) {
	t.Parallel()
	platform, machine := "linux/arm64", "aarch64"
	if platforms.DefaultSpec().Architecture == "arm64" {
		platform, machine = "linux/amd64", "x86_64"
	}
	if pkg, missing := daemon.MissingEmulator(platform); missing {
		t.Skipf("NOT TESTED: %s is not installed", pkg)
	}
	home, program := ordinaryHome(t)
	address := startOrdinary(t, daemontest.UsualMachine, home, program, time.Second).endpoint(t)
	output, err := run(t.Context(), t, address, platform, "uname -m; sh -c 'uname -m'")
	if err != nil || strings.Count(output, machine) != 2 {
		t.Errorf("%v\n%s", err, output)
	}
}

// On a file system that overlayfs cannot use, the daemon uses another snapshotter, and a note says what that costs.
func TestOrdinaryUserOnAnOverlay(t *testing.T) {
	t.Parallel()
	home, program := ordinaryHome(t)
	must(t, os.Mkdir(filepath.Join(home, "d"), 0o700))
	machine := daemontest.UsualMachine
	machine.Overlay = filepath.Join(home, "d")
	c := startOrdinary(t, machine, home, program, time.Second, "PATH="+pathWithout(t, "fuse-overlayfs"))
	address := c.endpoint(t)
	// The folder is in the mount namespace of the client.
	address = strings.Replace(address, "unix://", fmt.Sprintf("unix:///proc/%d/root", c.cmd.Process.Pid), 1)
	mustRun(t, address, "touch /file")
	log, err := os.ReadFile(fmt.Sprintf("/proc/%d/root%s/keeper.log", c.cmd.Process.Pid, machine.Overlay))
	must(t, err)
	wantTexts(t, string(log), "each step copies all files of the one before, which takes more time and disk: ",
		"is on a file system that overlayfs cannot use")
}

// pathWithout returns a PATH with all programs except the one with this name.
func pathWithout(t *testing.T, name string) string {
	t.Helper()
	dir := t.TempDir()
	must(t, os.Chmod(dir, 0o755))
	for _, from := range filepath.SplitList(os.Getenv("PATH")) {
		entries, _ := os.ReadDir(from)
		for _, e := range entries {
			if e.Name() != name {
				_ = os.Symlink(filepath.Join(from, e.Name()), filepath.Join(dir, e.Name()))
			}
		}
	}
	return dir
}
