//go:build linux

package daemon_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/moby/buildkit/client/llb"
)

// In a container without a TUN device, the keeper makes one, which only the daemon sees.
func TestMachineWithoutADevice(t *testing.T) {
	t.Parallel()
	dir := newDaemonFolder(t)
	c := startClient(t, dir, time.Minute, deviceVariable+"=absent")
	got := probe(t, c.endpoint(t), llb.Network(llb.NetModeSandbox), "interfaces")
	wantTexts(t, got, "eth016384 [")
	if _, err := os.Lstat(dir + "/device/tun"); err == nil {
		t.Error("the device is seen outside of the daemon's mount namespace")
	}
}

// If the machine forbids TUN devices, steps have no network, and clients are told why. A build can still use the
// network of the machine.
func TestMachineThatForbidsDevices(t *testing.T) {
	t.Parallel()
	dir, group := newDaemonFolder(t), makeForbiddingCgroup(t)
	c := startClient(t, dir, time.Second, deviceVariable+"="+group)
	endpoint := c.endpoint(t)
	offline, err := c.output.ReadString('\n')
	if err != nil || !strings.Contains(offline, "/dev/net/tun: operation not permitted") {
		t.Errorf("the reason for clients: %q, %v", offline, err)
	}
	got := probe(t, endpoint, llb.Network(llb.NetModeSandbox), "tcp 192.0.2.77:80", "interfaces")
	wantTexts(t, got, "interfaces: lo65536 [127.0.0.1/8 ::1/128]\n", "tcp 192.0.2.77:80: FAILED",
		"network is unreachable")
	wantTexts(t, probe(t, endpoint, llb.Network(llb.NetModeHost), "interfaces"), "eth0")
	if relays := processes("pulumi-buildkit-network relay " + dir); len(relays) > 0 {
		t.Errorf("relays: %v", relays)
	}
}

// makeForbiddingCgroup makes a cgroup whose processes have no permission to use TUN devices, as in many containers. It
// removes the cgroup when the test's daemon has stopped.
func makeForbiddingCgroup(t *testing.T) string {
	t.Helper()
	const root = "/sys/fs/cgroup/devices"
	if _, err := os.Stat(root + "/devices.deny"); err != nil {
		if _, err = os.Stat(root + "/cgroup.procs"); err != nil {
			t.Skip("NOT TESTED: this machine has no cgroups of version 1 for devices")
		}
	}
	group := fmt.Sprintf("%s/pulumi-buildkit-test-%d", root, os.Getpid())
	if err := os.Mkdir(group, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		eventually(t, patience, "no process in "+group, func() bool { return os.Remove(group) == nil })
	})
	if err := os.WriteFile(group+"/devices.deny", []byte("c 10:200 rwm"), 0); err != nil {
		t.Fatal(err)
	}
	return group
}
