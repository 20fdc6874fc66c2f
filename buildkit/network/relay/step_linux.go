package relay

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/channel"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/network"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
)

const (
	nic = 1 // the stack's one interface

	queuedPackets   = 512
	openingAttempts = 256             // connections of one step that are being dialed
	timeWait        = 5 * time.Second // before a pair of ports may be used again
)

// step is one device and the TCP/IP stack behind it.
type step struct {
	relay       *relay
	device      *os.File
	link        *channel.Endpoint
	stack       *stack.Stack
	connections stepFlows
	exchanges   stepFlows

	ctx context.Context // ends with the step
	end context.CancelCauseFunc
}

// newStep takes device over. The step is served after start.
func newStep(r *relay, device *os.File) (*step, error) {
	s := &step{
		relay:       r,
		device:      device,
		link:        channel.New(queuedPackets, network.MTU, ""),
		connections: stepFlows{all: r.connections, limit: connectionsOfStep},
		exchanges:   stepFlows{all: r.exchanges, limit: exchangesOfStep},
	}
	s.ctx, s.end = context.WithCancelCause(context.Background())
	s.link.LinkEPCapabilities = stack.CapabilityRXChecksumOffload // what comes from memory needs no check
	noConflicts := stack.DADConfigurations{DupAddrDetectTransmits: 0}
	s.stack = stack.New(stack.Options{
		NetworkProtocols: []stack.NetworkProtocolFactory{
			ipv4.NewProtocol,
			ipv6.NewProtocolWithOptions(ipv6.Options{DADConfigs: noConflicts}),
		},
		TransportProtocols: []stack.TransportProtocolFactory{
			tcp.NewProtocol, udp.NewProtocol, icmp.NewProtocol4, icmp.NewProtocol6,
		},
	})
	if err := errors.Join(s.setBuffers(), s.setInterface()); err != nil {
		s.close()
		return nil, fmt.Errorf("TCP/IP stack: %w", err)
	}
	onTCP := func(request *tcp.ForwarderRequest) { acceptTCP(s, request) }
	onUDP := func(request *udp.ForwarderRequest) bool { return acceptUDP(s, request) }
	connections := tcp.NewForwarder(s.stack, bufferSize, openingAttempts, onTCP)
	s.stack.SetTransportProtocolHandler(tcp.ProtocolNumber, connections.HandlePacket)
	s.stack.SetTransportProtocolHandler(udp.ProtocolNumber, udp.NewForwarder(s.stack, onUDP).HandlePacket)
	return s, nil
}

func (s *step) start() {
	fail := func(err error) {
		report(err)
		s.close()
	}
	rescue.Go(fail, func() { readDevice(s) })
	rescue.Go(fail, func() { writeDevice(s) })
}

// close ends the step's connections. It may be called twice.
func (s *step) close() {
	s.end(errors.New("the step has ended"))
	_ = s.device.Close()
	rescue.Go(report, s.stack.Destroy)
}

func (s *step) setBuffers() error {
	selective, wait := tcpip.TCPSACKEnabled(true), tcpip.TCPTimeWaitTimeoutOption(timeWait)
	send := tcpip.TCPSendBufferSizeRangeOption{Min: tcp.MinBufferSize, Default: bufferSize, Max: bufferSize}
	receive := tcpip.TCPReceiveBufferSizeRangeOption{Min: tcp.MinBufferSize, Default: bufferSize, Max: bufferSize}
	for _, option := range []tcpip.SettableTransportProtocolOption{&selective, &wait, &send, &receive} {
		if err := s.stack.SetTransportProtocolOption(tcp.ProtocolNumber, option); err != nil {
			return fmt.Errorf("%T: %v", option, err)
		}
	}
	return nil
}

// setInterface makes the stack take packets to any address, and answer from any.
func (s *step) setInterface() error {
	if err := s.stack.CreateNIC(nic, s.link); err != nil {
		return fmt.Errorf("interface: %v", err)
	}
	for _, subnet := range s.relay.subnets {
		if err := s.stack.AddProtocolAddress(nic, protocolAddress(subnet), stack.AddressProperties{}); err != nil {
			return fmt.Errorf("address of %v: %v", subnet, err)
		}
	}
	s.stack.SetRouteTable([]tcpip.Route{
		{Destination: header.IPv4EmptySubnet, NIC: nic},
		{Destination: header.IPv6EmptySubnet, NIC: nic},
	})
	if err := s.stack.SetPromiscuousMode(nic, true); err != nil {
		return fmt.Errorf("take any address: %v", err)
	}
	if err := s.stack.SetSpoofing(nic, true); err != nil {
		return fmt.Errorf("answer from any address: %v", err)
	}
	return nil
}

func protocolAddress(subnet netip.Prefix) tcpip.ProtocolAddress {
	protocol := header.IPv4ProtocolNumber
	if subnet.Addr().Is6() {
		protocol = header.IPv6ProtocolNumber
	}
	return tcpip.ProtocolAddress{
		Protocol: protocol,
		AddressWithPrefix: tcpip.AddressWithPrefix{
			Address:   tcpip.AddrFromSlice(network.RelayAddr(subnet).AsSlice()),
			PrefixLen: subnet.Bits(),
		},
	}
}

// whenDone calls f in a goroutine when ctx ends, unless stop is called before.
func whenDone(ctx context.Context, f func()) (stop func() bool) {
	return context.AfterFunc(ctx, func() { //nolint:forbidigo // a panic is reported here
		defer rescue.Recover(func(caught *rescue.PanicError) { report(caught) })
		f()
	})
}
