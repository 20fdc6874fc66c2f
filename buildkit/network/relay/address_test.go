//go:build linux

package relay

import (
	"net/netip"
	"testing"
)

func TestAddressesThatNoStepReaches(t *testing.T) {
	t.Parallel()
	own := []netip.Prefix{netip.MustParsePrefix("198.51.100.0/30"), netip.MustParsePrefix("fd5c:9a1e:77b3::/126")}
	for _, text := range []string{
		"0.0.0.0", "0.1.2.3", "127.0.0.1", "127.255.255.254", "169.254.169.254", "169.254.170.2", "169.254.0.23",
		"192.0.0.192",
		"100.100.100.200", "168.63.129.16", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
		"198.51.100.0", "198.51.100.1", "198.51.100.2", "198.51.100.3",
		"::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:8.8.8.8", "::ffff:0:127.0.0.1",
		"64:ff9b::127.0.0.1", "64:ff9b::0.0.0.0", "64:ff9b::169.254.169.254", "64:ff9b::198.51.100.1",
		"64:ff9b:1::7f00:1",
		"2001::1", "2002:7f00:1::", "fe80::1", "fe80::a9fe:a9fe", "fec0::1", "ff02::1", "ff0e::1",
		"fd00:ec2::254", "fd00:ec2::253", "fd20:ce::254", "fd00:42::42", "fd5c:9a1e:77b3::1", "fd5c:9a1e:77b3::2",
	} {
		if mayDial(netip.MustParseAddr(text), own) {
			t.Errorf("%s is dialed", text)
		}
	}
	for _, text := range []string{
		"8.8.8.8", "10.0.0.1", "172.17.0.1", "192.168.1.1", "100.64.0.1", "100.100.100.201", "192.0.2.1",
		"198.51.100.4", "1.0.0.1",
		"2606:4700::1111", "2001:db8::1", "fd00::1", "fc00::1", "64:ff9b::8.8.8.8", "64:ff9b::10.0.0.1",
	} {
		if !mayDial(netip.MustParseAddr(text), own) {
			t.Errorf("%s is not dialed", text)
		}
	}
	if mayDial(netip.MustParseAddr("2606:4700::1111%eth0"), own) {
		t.Error("an address with a zone is dialed")
	}
}

func TestFlowsAreBounded(t *testing.T) {
	t.Parallel()
	all := &flows{limit: 3}
	one, two := stepFlows{all: all, limit: 2}, stepFlows{all: all, limit: 2}
	for _, c := range []struct {
		step *stepFlows
		want bool
	}{{&one, true}, {&one, true}, {&one, false}, {&two, true}, {&two, false}} {
		if _, _, got := c.step.take(); got != c.want {
			t.Errorf("%+v: %v", *c.step, got)
		}
	}
	one.release()
	if step, total, ok := two.take(); !ok || step != 2 || total != 3 {
		t.Errorf("after a release: %d of the step, %d of all, %v", step, total, ok)
	}
	if buffers(1, 1) != bufferSize || buffers(largeBuffersOfStep+1, 1) != smallBuffer ||
		buffers(1, largeBuffersOfAll+1) != smallBuffer {
		t.Error("buffers do not shrink")
	}
}

// What all steps together can make the relay keep stays below its limit.
func TestLimitsFitTheMemory(t *testing.T) {
	t.Parallel()
	const copying = 32 << 10 // io.Copy's, for each direction
	connections := largeBuffersOfAll*2*bufferSize + (connectionsOfAll-largeBuffersOfAll)*2*smallBuffer +
		connectionsOfAll*2*copying
	exchanges := exchangesOfAll * 2 * datagramLimit
	if total := connections + exchanges; total > softMemory {
		t.Errorf("%d bytes, and the limit is %d", total, softMemory)
	}
}
