//go:build linux

package registry_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// inNamespace runs the test once more in a network of its own, which has further addresses and names for them. It
// returns true in that network. It neither sees nor changes the machine's own network.
func inNamespace(t *testing.T, names map[string]string) bool {
	t.Helper()
	const mark = "REGISTRY_TEST_NAMESPACE"
	if os.Getenv(mark) == t.Name() {
		addAddressesAndNames(t, names)
		return true
	}
	own := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^"+t.Name()+"$", "-test.v", "-test.timeout", "2m")
	own.Env = append(os.Environ(), mark+"="+t.Name())
	own.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNET | unix.CLONE_NEWNS | unix.CLONE_NEWUSER, Pdeathsig: syscall.SIGKILL,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}
	// Pdeathsig comes when the thread that started the process ends. Go ends threads, so this one is kept.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	output, err := own.CombinedOutput()
	if strings.Contains(fmt.Sprint(err), "fork/exec") {
		t.Skip("NOT RUN: no namespace can be made here: ", err)
	}
	if err != nil || strings.Contains(string(output), "--- SKIP") {
		t.Errorf("in a network of its own: %v\n%s", err, output)
	}
	return false
}

// addAddressesAndNames gives the namespace its addresses and names.
func addAddressesAndNames(t *testing.T, names map[string]string) {
	t.Helper()
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(socket) }()
	var hosts strings.Builder
	alias := 0
	for name, address := range names {
		fmt.Fprintln(&hosts, address, name)
		device := "lo"
		if !strings.HasPrefix(address, "127.") {
			alias++
			device = fmt.Sprint("lo:", alias)
			request, _ := unix.NewIfreq(device)
			if err := request.SetInet4Addr(parseIPv4(t, address)); err != nil {
				t.Fatal(err)
			}
			if err := unix.IoctlIfreq(socket, unix.SIOCSIFADDR, request); err != nil {
				t.Fatal(device, address, err)
			}
		}
		request, _ := unix.NewIfreq(device)
		request.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
		if err := unix.IoctlIfreq(socket, unix.SIOCSIFFLAGS, request); err != nil {
			t.Fatal(device, err)
		}
	}
	fmt.Fprintln(&hosts, "127.0.0.1 localhost")
	file := filepath.Join(t.TempDir(), "hosts")
	if err := os.WriteFile(file, []byte(hosts.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount(file, "/etc/hosts", "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
}

// parseIPv4 returns the four bytes of an address.
func parseIPv4(t *testing.T, address string) []byte {
	t.Helper()
	var a [4]byte
	if _, err := fmt.Sscanf(address, "%d.%d.%d.%d", &a[0], &a[1], &a[2], &a[3]); err != nil {
		t.Fatal(err)
	}
	return a[:]
}
