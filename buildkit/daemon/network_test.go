//go:build linux

package daemon_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/containerd/platforms"
	"github.com/moby/buildkit/client/llb"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon"
)

// machineAddress returns an address of this machine that is not on its loopback.
func machineAddress(t testing.TB) string {
	t.Helper()
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, address := range addresses {
		if ip := address.(*net.IPNet).IP; ip.IsGlobalUnicast() && ip.To4() != nil {
			return ip.String()
		}
	}
	t.Skip("NOT TESTED: this machine has no address of IPv4 beside its loopback")
	return ""
}

// machineServer starts a server on all addresses of this machine and returns its port.
func machineServer(t *testing.T) int {
	t.Helper()
	listener, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "reached")
	}))
	_ = server.Listener.Close()
	server.Listener = listener
	server.Start()
	t.Cleanup(server.Close)
	return listener.Addr().(*net.TCPAddr).Port
}

// A step reaches this machine by its external addresses, but not by its loopback address.
func TestStepsHaveTheirOwnNetwork(t *testing.T) {
	t.Parallel()
	port := machineServer(t)
	lease, _ := acquire(t, daemon.Options{Dir: newDaemonFolder(t)})
	machine := fmt.Sprintf("get http://%s:%d", machineAddress(t), port)
	loopback := fmt.Sprintf("get http://127.0.0.1:%d", port)
	got := probe(t, lease.Endpoint(), llb.Network(llb.NetModeSandbox), machine, loopback, "interfaces")
	wantTexts(t, got, machine+": REACHED", loopback+": FAILED", "lo65536 [127.0.0.1/8 ::1/128] eth016384 [")
	got = probe(t, lease.Endpoint(), llb.Network(llb.NetModeHost), machine, loopback)
	wantTexts(t, got, machine+": REACHED", loopback+": REACHED")
	got = probe(t, lease.Endpoint(), llb.Network(llb.NetModeNone), machine, loopback, "interfaces")
	wantTexts(t, got, machine+": FAILED", loopback+": FAILED", "interfaces: lo65536 [127.0.0.1/8 ::1/128]\n")
}

// If the relay is killed, the keeper kills the daemon and its steps at once, and clients are told why.
func TestRelayThatIsKilled(t *testing.T) {
	t.Parallel()
	dir := newDaemonFolder(t)
	lease, _ := acquire(t, daemon.Options{Dir: dir})
	mark := fmt.Sprintf("86400.7%d", os.Getpid())
	broken := make(chan error, 1)
	go func() {
		_, err := run(t.Context(), t, lease.Endpoint(), platforms.DefaultString(), "sleep "+mark)
		broken <- err
	}()
	eventually(t, patience, "the step runs", func() bool { return len(processes("sleep "+mark)) > 0 })
	relays := processes("pulumi-buildkit-network relay " + dir)
	if len(relays) != 1 {
		t.Fatalf("relays: %v", relays)
	}
	if err := syscall.Kill(relays[0].pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-broken:
		if err == nil {
			t.Error("the step went on without a network")
		}
	case <-time.After(patience):
		t.Fatal("the step waits for a network that is gone")
	}
	if err := lease.ExitReason(t.Context()); err == nil ||
		!strings.Contains(err.Error(), "the network relay of steps ended by itself (signal: killed)") {
		t.Errorf("the reason for clients: %v", err)
	}
	wantGone(t, dir)
	next, _ := acquire(t, daemon.Options{Dir: dir})
	mustRun(t, next.Endpoint(), "true")
	if err := next.ExitReason(t.Context()); err != nil {
		t.Errorf("the next daemon, which runs: %v", err)
	}
}

// A step that opens connections without end and reads nothing gets a limited number, and the relay takes bounded
// memory. The next step gets connections of its own.
func TestStepThatFloodsTheRelay(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() { // sends as much as anybody takes
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				for err := error(nil); err == nil; {
					_, err = conn.Write(make([]byte, 64<<10))
				}
			}()
		}
	}()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	dir := newDaemonFolder(t)
	lease, _ := acquire(t, daemon.Options{Dir: dir})
	address := machineAddress(t) + ":" + port
	flooded := make(chan string, 1)
	go func() {
		output, err := probeOn(t.Context(), lease.Endpoint(), runtime.GOARCH, buildProbe(t, runtime.GOARCH),
			llb.Network(llb.NetModeSandbox), "flood "+address+" 600")
		flooded <- fmt.Sprint(output, err)
	}()
	eventually(t, patience, "a relay",
		func() bool { return len(processes("pulumi-buildkit-network relay "+dir)) == 1 })
	relay := processes("pulumi-buildkit-network relay " + dir)[0]
	var peak int
	for tick := time.NewTicker(50 * time.Millisecond); ; {
		select {
		case got := <-flooded:
			tick.Stop()
			wantTexts(t, got, "flood "+address+" 600: 512 open")
			if peak == 0 || peak > 300<<10 {
				t.Errorf("the relay took %d KB", peak)
			}
			t.Logf("the relay took %d KB", peak)
			wantTexts(t, probe(t, lease.Endpoint(), llb.Network(llb.NetModeSandbox), "tcp "+address), "REACHED")
			return
		case <-tick.C:
			status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", relay.pid))
			if _, size, ok := strings.Cut(string(status), "VmRSS:"); ok {
				var kb int
				_, _ = fmt.Sscan(size, &kb)
				peak = max(peak, kb)
			}
		}
	}
}

// Steps of foreign platforms have a network too.
func TestNetworkOfAnEmulatedStep(t *testing.T) {
	t.Parallel()
	const arch = "arm64"
	lease, _ := acquire(t, daemon.Options{Dir: newDaemonFolder(t)})
	if pkg, missing := daemon.MissingEmulator("linux/" + arch); missing || runtime.GOARCH == arch {
		t.Skipf("NOT TESTED: install %s on a machine of another architecture", pkg)
	}
	listener, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(conn, "the machine")
			_ = conn.Close()
		}
	}()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	machine, loopback := "tcp "+machineAddress(t)+":"+port, "tcp 127.0.0.1:"+port
	got, err := probeOn(t.Context(), lease.Endpoint(), arch, buildProbe(t, arch), llb.Network(llb.NetModeSandbox),
		machine, loopback)
	if err != nil {
		t.Fatalf("%v\n%s", err, got)
	}
	wantTexts(t, got, machine+": REACHED the machine", loopback+": FAILED")
}

// The relay runs as nobody, without privileges and without the client's environment. Its memory and files are limited.
func TestPrivilegesOfTheRelay(t *testing.T) {
	t.Parallel()
	dir := newDaemonFolder(t)
	startClient(t, dir, time.Minute, "PULUMI_CONFIG_PASSPHRASE=canary").endpoint(t)
	relays := processes("pulumi-buildkit-network relay " + dir)
	if len(relays) != 1 {
		t.Fatalf("relays: %v", relays)
	}
	read := func(name string) string {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", relays[0].pid, name))
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(strings.Fields(string(text)), " ")
	}
	wantTexts(t, read("status"), "Uid: 65534 65534 65534 65534", "Gid: 65534 65534 65534 65534", "Groups: ",
		"CapPrm: 0000000000000000",
		"CapEff: 0000000000000000", "CapInh: 0000000000000000", "CapAmb: 0000000000000000", "NoNewPrivs: 1")
	wantTexts(t, read("limits"), "Max data size 1073741824 1073741824 bytes", "Max open files 8192 8192 files")
	if environ := read("environ"); environ != "" {
		t.Errorf("the environment of the relay: %q", environ)
	}
}
