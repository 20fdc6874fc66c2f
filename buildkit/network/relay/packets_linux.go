package relay

import (
	"net/netip"
	"slices"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/network"
)

// readDevice passes the step's packets to the stack until the device is closed.
func readDevice(s *step) {
	packet := make([]byte, network.MTU)
	for {
		n, err := s.device.Read(packet)
		if err != nil {
			return
		}
		protocol, ok := protocolOf(packet[:n])
		if !ok || isFragment(packet[:n]) || pingsElsewhere(s, packet[:n]) {
			continue
		}
		copied := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(packet[:n])})
		s.link.InjectInbound(protocol, copied)
		copied.DecRef()
	}
}

// writeDevice passes the stack's packets to the step until the step ends.
func writeDevice(s *step) {
	for {
		packet := s.link.ReadContext(s.ctx)
		if packet == nil {
			return
		}
		view := packet.ToView()
		_, _ = s.device.Write(view.AsSlice()) // a packet that is lost is sent again
		view.Release()
		packet.DecRef()
	}
}

func protocolOf(packet []byte) (tcpip.NetworkProtocolNumber, bool) {
	switch header.IPVersion(packet) {
	case header.IPv4Version:
		return header.IPv4ProtocolNumber, len(packet) >= header.IPv4MinimumSize
	case header.IPv6Version:
		return header.IPv6ProtocolNumber, len(packet) >= header.IPv6MinimumSize
	}
	return 0, false
}

// isFragment reports whether a packet is a part of a larger one, or may hide that it is. The stack would keep 4 MiB of
// parts for each step, for others that never come. Connections have no fragments: they know the MTU.
func isFragment(packet []byte) bool {
	if header.IPVersion(packet) == header.IPv4Version {
		ip := header.IPv4(packet)
		return ip.More() || ip.FragmentOffset() > 0
	}
	switch tcpip.TransportProtocolNumber(header.IPv6(packet).NextHeader()) {
	case header.TCPProtocolNumber, header.UDPProtocolNumber, header.ICMPv6ProtocolNumber:
		return false
	}
	return true // a header of a fragment, or one before it
}

// pingsElsewhere reports whether a packet is an echo request to an address that is not the relay's. The stack would
// answer for every address, as if it were reached.
func pingsElsewhere(s *step, packet []byte) bool {
	var destination tcpip.Address
	switch header.IPVersion(packet) {
	case header.IPv4Version:
		ip := header.IPv4(packet)
		size := int(ip.HeaderLength())
		if ip.Protocol() != uint8(header.ICMPv4ProtocolNumber) || len(packet) <= size ||
			packet[size] != byte(header.ICMPv4Echo) {
			return false
		}
		destination = ip.DestinationAddress()
	case header.IPv6Version:
		ip := header.IPv6(packet)
		if ip.NextHeader() != uint8(header.ICMPv6ProtocolNumber) || len(packet) <= header.IPv6MinimumSize ||
			packet[header.IPv6MinimumSize] != byte(header.ICMPv6EchoRequest) {
			return false
		}
		destination = ip.DestinationAddress()
	}
	addr, _ := netip.AddrFromSlice(destination.AsSlice())
	isRelay := func(subnet netip.Prefix) bool { return network.RelayAddr(subnet) == addr }
	return !slices.ContainsFunc(s.relay.subnets, isRelay)
}
