//go:build linux

package daemon_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/containerd/platforms"
	"github.com/moby/buildkit/client/llb"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon"
)

// machineAddress is an address of this machine that is not on its loopback.
func machineAddress(t *testing.T) string {
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

// A step reaches this machine by its other addresses, and not by its loopback.
func TestStepsHaveANetworkOfTheirOwn(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "reached") }))
	_ = server.Listener.Close()
	server.Listener = listener
	server.Start()
	t.Cleanup(server.Close)
	port := listener.Addr().(*net.TCPAddr).Port

	lease, _ := acquire(t, daemon.Options{Dir: folder(t)})
	machine, loopback := fmt.Sprintf("get http://%s:%d", machineAddress(t), port), fmt.Sprintf("get http://127.0.0.1:%d", port)
	got := probe(t, lease.Endpoint(), llb.Network(llb.NetModeSandbox), machine, loopback, "interfaces")
	wantTexts(t, got, machine+": REACHED", loopback+": FAILED", "lo65536 [127.0.0.1/8 ::1/128] eth016384 [")
	got = probe(t, lease.Endpoint(), llb.Network(llb.NetModeHost), machine, loopback)
	wantTexts(t, got, machine+": REACHED", loopback+": REACHED")
	got = probe(t, lease.Endpoint(), llb.Network(llb.NetModeNone), machine, loopback, "interfaces")
	wantTexts(t, got, machine+": FAILED", loopback+": FAILED", "interfaces: lo65536 [127.0.0.1/8 ::1/128]\n")
}

// Without its relay a daemon ends at once, with the running steps, and says why.
func TestRelayThatIsKilled(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	lease, _ := acquire(t, daemon.Options{Dir: dir})
	mark := fmt.Sprintf("86400.7%d", os.Getpid())
	broken := make(chan error, 1)
	go func() {
		_, err := run(t.Context(), t, lease.Endpoint(), platforms.DefaultString(), "sleep "+mark)
		broken <- err
	}()
	eventually(t, 20*time.Second, "the step runs", func() bool { return len(processes("sleep "+mark)) > 0 })
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
	case <-time.After(5 * time.Second):
		t.Fatal("the step waits for a network that is gone")
	}
	if err := lease.Ended(); err == nil || !strings.Contains(err.Error(), "the network relay of steps ended by itself (signal: killed)") {
		t.Errorf("the reason for clients: %v", err)
	}
	wantGone(t, dir)
	next, _ := acquire(t, daemon.Options{Dir: dir})
	mustRun(t, next.Endpoint(), "true")
	if err := next.Ended(); err != nil {
		t.Errorf("the next daemon, which runs: %v", err)
	}
}
