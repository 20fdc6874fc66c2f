//go:build linux

package attacks

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// A machine is a network namespace with addresses, listeners and a resolver of the test's, in which the whole suite
// runs once more: CLI, plugin, daemon and registry. Nothing of this machine's own network is seen or changed.

// machineVariable names the test that runs in the machine.
const machineVariable = "ATTACKS_MACHINE"

const (
	machineAddr4, machineAddr6 = "10.77.0.1", "fd77::1"
	broadcastAddr              = "10.77.0.255"
	downloadName               = "download.test"
	loopbackResolver           = "127.0.0.53"
	silentResolver             = "127.0.0.54"
)

// metadataAddrs are the addresses of metadata services that the machine has.
var metadataAddrs = []string{
	"169.254.169.254", "169.254.170.2", "100.100.100.200", "168.63.129.16", "192.0.0.192",
	"fd00:ec2::254", "fd20:ce::254", "64:ff9b::a9fe:a9fe",
}

// runInMachine runs the test once more in a machine, and tells whether it runs there now.
func runInMachine(t *testing.T) bool {
	t.Helper()
	if os.Getenv(machineVariable) != "" {
		return true
	}
	if os.Geteuid() != 0 {
		t.Skip("NOT TESTED: a network namespace and the embedded daemon need root: run the tests as root")
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^"+t.Name()+"$", "-test.v", "-test.timeout", "4m")
	cmd.Env = append(os.Environ(), machineVariable+"="+t.Name())
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET | unix.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	// Pdeathsig comes when the thread that started the process ends. The harness ends threads, so this one is kept.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	output, err := cmd.CombinedOutput()
	if err != nil || strings.Contains(string(output), "--- SKIP") {
		t.Errorf("in a network of its own: %v\n%s", err, output)
	}
	return false
}

// setUpMachine gives the namespace of this process its addresses and its resolvers. It runs before the suite starts.
func setUpMachine() error {
	if os.Getenv(machineVariable) == "" {
		return nil
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	pair := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "machine"}, PeerName: "neighbor"}
	if err := netlink.LinkAdd(pair); err != nil {
		return err
	}
	for _, name := range []string{"lo", "neighbor", "machine"} {
		link, err := netlink.LinkByName(name)
		if err == nil {
			err = netlink.LinkSetUp(link)
		}
		if err != nil {
			return err
		}
	}
	for _, text := range append([]string{machineAddr4 + "/24", machineAddr6 + "/64"}, metadataAddrs...) {
		if !strings.Contains(text, "/") {
			addr := netip.MustParseAddr(text)
			text = netip.PrefixFrom(addr, addr.BitLen()).String()
		}
		address, err := netlink.ParseAddr(text)
		if err != nil {
			return err
		}
		address.Flags = unix.IFA_F_NODAD
		if err := netlink.AddrAdd(pair, address); err != nil {
			return fmt.Errorf("%s: %w", text, err)
		}
	}
	return replaceFile("/etc/resolv.conf", "nameserver "+silentResolver+"\nnameserver "+loopbackResolver+"\n")
}

// replaceFile puts another content in the place of a file, for this mount namespace.
func replaceFile(path, text string) error {
	file, err := os.CreateTemp("", "replaced-")
	if err != nil {
		return err
	}
	_, err = file.WriteString(text)
	err = errors.Join(err, file.Chmod(0o644), file.Close())
	if err != nil {
		return err
	}
	return errors.Join(unix.Mount(file.Name(), path, "", unix.MS_BIND, ""), os.Remove(file.Name()))
}

// listeners are everything that a step may find on the machine. They note who was reached, by the address of theirs.
type listeners struct {
	tcp, udp int    // ports, on all addresses
	abstract string // socket

	mu      sync.Mutex
	reached []string
}

// listen starts listeners of all kinds on the machine. They end with the test.
func listen(t *testing.T) *listeners {
	t.Helper()
	stream, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	port := stream.Addr().(*net.TCPAddr).Port
	l := &listeners{tcp: port, abstract: fmt.Sprint("@attack-", port)}
	datagrams, err := net.ListenPacket("udp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	hidden, err := net.Listen("unix", l.abstract)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _, _ = stream.Close(), datagrams.Close(), hidden.Close() })
	l.udp = datagrams.LocalAddr().(*net.UDPAddr).Port
	go l.acceptAll(stream)
	go l.acceptAll(hidden)
	go func() {
		buffer := make([]byte, 100)
		for {
			n, from, err := datagrams.ReadFrom(buffer)
			if err != nil {
				return
			}
			l.note("udp from " + from.String())
			_, _ = datagrams.WriteTo(buffer[:n], from)
		}
	}()
	return l
}

func (l *listeners) acceptAll(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		l.note(conn.LocalAddr().Network() + " " + conn.LocalAddr().String())
		_, _ = io.WriteString(conn, "the machine")
		_ = conn.Close()
	}
}

func (l *listeners) note(what string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reached = append(l.reached, what)
}

// take returns who was reached since the last call, sorted.
func (l *listeners) take() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	found := l.reached
	l.reached = nil
	slices.Sort(found)
	return found
}

// serveDownloads serves what a step downloads, on all addresses, and returns its port. handlers has more paths.
func serveDownloads(t *testing.T, handlers map[string]http.HandlerFunc) int {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/file", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 1<<20)) })
	for path, handler := range handlers {
		mux.HandleFunc(path, handler)
	}
	listener, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: mux}
	t.Cleanup(func() { _ = server.Close() })
	go func() { _ = server.Serve(listener) }()
	return listener.Addr().(*net.TCPAddr).Port
}
