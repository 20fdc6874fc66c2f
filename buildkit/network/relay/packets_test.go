//go:build linux

package relay

import (
	"bytes"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/network"
)

// newDevice attaches a device to the relay and returns the side of the step. A socket that keeps the boundaries of
// packets stands for the device.
func newDevice(t testing.TB, r *relay) *os.File {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	near, far := os.NewFile(uintptr(pair[0]), "step"), os.NewFile(uintptr(pair[1]), "relay")
	t.Cleanup(func() { _ = near.Close() })
	if err := r.Attach(t.Name(), far); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Detach(t.Name()) })
	return near
}

// newClosedRelay returns a relay that dials nothing: every address is one of the steps themselves.
func newClosedRelay(t testing.TB) *relay {
	t.Helper()
	r := newRelay([]netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")})
	r.resolvers = resolvers{file: filepath.Join(t.TempDir(), "none")}
	r.questions = nil // no question passes
	return r
}

// ping returns an echo request to an address, from the one after it.
func ping(to netip.Addr) []byte {
	from := to.Next()
	message := make([]byte, header.ICMPv4MinimumSize+4)
	if to.Is4() {
		icmp := header.ICMPv4(message)
		icmp.SetType(header.ICMPv4Echo)
		icmp.SetChecksum(^checksum.Checksum(message, 0))
		packet := make([]byte, header.IPv4MinimumSize)
		ip := header.IPv4(packet)
		ip.Encode(&header.IPv4Fields{
			TotalLength: uint16(len(packet) + len(message)), TTL: 64, Protocol: uint8(header.ICMPv4ProtocolNumber),
			SrcAddr: tcpip.AddrFrom4(from.As4()), DstAddr: tcpip.AddrFrom4(to.As4()),
		})
		ip.SetChecksum(^ip.CalculateChecksum())
		return append(packet, message...)
	}
	icmp := header.ICMPv6(message)
	icmp.SetType(header.ICMPv6EchoRequest)
	src, dst := tcpip.AddrFrom16(from.As16()), tcpip.AddrFrom16(to.As16())
	icmp.SetChecksum(header.ICMPv6Checksum(header.ICMPv6ChecksumParams{Header: icmp, Src: src, Dst: dst}))
	packet := make([]byte, header.IPv6MinimumSize)
	header.IPv6(packet).Encode(&header.IPv6Fields{
		PayloadLength: uint16(len(message)), HopLimit: 64, TransportProtocol: header.ICMPv6ProtocolNumber, SrcAddr: src,
		DstAddr: dst,
	})
	return append(packet, message...)
}

// hasAnswer reports whether a packet from addr comes.
func hasAnswer(t testing.TB, near *os.File, addr netip.Addr, limit time.Duration) bool {
	t.Helper()
	if err := near.SetReadDeadline(time.Now().Add(limit)); err != nil {
		t.Fatal(err)
	}
	packet := make([]byte, network.MTU)
	for {
		n, err := near.Read(packet)
		if err != nil {
			return false
		}
		if bytes.Contains(packet[:min(n, header.IPv6MinimumSize)], addr.AsSlice()) {
			return true
		}
	}
}

// The stack, which takes packets to any address, answers pings to its own only: a ping tells who is there.
func TestPings(t *testing.T) {
	t.Parallel()
	subnets := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/30"), netip.MustParsePrefix("fd5c:9a1e:77b3::/126")}
	near := newDevice(t, newRelay(subnets))
	for text, want := range map[string]bool{
		"192.0.2.1": true, "fd5c:9a1e:77b3::1": true, "169.254.169.254": false, "8.8.8.8": false,
		"fd00:ec2::254": false,
	} {
		addr := netip.MustParseAddr(text)
		if _, err := near.Write(ping(addr)); err != nil {
			t.Fatal(err)
		}
		limit := 300 * time.Millisecond
		if want {
			limit = 20 * time.Second
		}
		if got := hasAnswer(t, near, addr, limit); got != want {
			t.Errorf("%s answers: %v", text, got)
		}
	}
}

// No packet of a step ends the relay, which serves other steps too.
func FuzzPackets(f *testing.F) {
	f.Add(ping(netip.MustParseAddr("0.0.0.1")))
	f.Add(ping(netip.MustParseAddr("::1")))
	f.Add([]byte{0x45})
	f.Add([]byte{0x4f, 0, 0, 20, 0, 0, 0, 0, 64, 1, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8})
	f.Add(append([]byte{0x60, 0, 0, 0, 0, 8, 44, 64}, make([]byte, 60)...))        // a fragment
	f.Add(append([]byte{0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6}, make([]byte, 30)...))  // TCP
	f.Add(append([]byte{0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17}, make([]byte, 18)...)) // UDP
	near := newDevice(f, newClosedRelay(f))
	self := netip.MustParseAddr("0.0.0.1")
	f.Fuzz(func(t *testing.T, packet []byte) {
		if len(packet) == 0 || len(packet) > network.MTU {
			return
		}
		if err := near.SetWriteDeadline(time.Now().Add(30 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := near.Write(packet); err != nil {
			t.Fatal(err)
		}
		if _, err := near.Write(ping(self)); err != nil {
			t.Fatal(err)
		}
		if !hasAnswer(t, near, self, 30*time.Second) {
			t.Error("the relay does not answer any more")
		}
	})
}

// Parts of packets are dropped: the stack would keep them, for each step, until the others come.
func TestFragmentsAreDropped(t *testing.T) {
	t.Parallel()
	four := func(flags uint8, offset uint16) []byte {
		packet := make([]byte, header.IPv4MinimumSize+8)
		header.IPv4(packet).Encode(&header.IPv4Fields{TotalLength: uint16(len(packet)), Flags: flags,
			FragmentOffset: offset, TTL: 1, Protocol: 17})
		return packet
	}
	six := func(next uint8) []byte {
		packet := make([]byte, header.IPv6MinimumSize+8)
		packet[0], packet[6] = 6<<4, next
		return packet
	}
	for name, c := range map[string]struct {
		packet []byte
		want   bool
	}{
		"whole":                   {four(0, 0), false},
		"whole, not to be parted": {four(header.IPv4FlagDontFragment, 0), false},
		"the first part":          {four(header.IPv4FlagMoreFragments, 0), true},
		"the last part":           {four(0, 8), true},
		"UDP":                     {six(17), false},
		"TCP":                     {six(6), false},
		"ICMP":                    {six(58), false},
		"a part of IPv6":          {six(44), true},
		"options before it":       {six(0), true},
	} {
		if got := isFragment(c.packet); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
