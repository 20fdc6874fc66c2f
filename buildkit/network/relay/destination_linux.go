package relay

import (
	"net/netip"

	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// dnsPort is where resolvers listen.
const dnsPort = 53

// destination is where a step wants to send.
type destination struct {
	addr netip.AddrPort
	// resolver says that any of the machine's resolvers may answer, whatever their addresses.
	resolver bool
}

// destinationOf returns where a flow of the step goes. It is false when the step must not send there.
func destinationOf(s *step, id stack.TransportEndpointID) (destination, bool) {
	addr, ok := netip.AddrFromSlice(id.LocalAddress.AsSlice())
	if !ok {
		return destination{}, false
	}
	to := destination{addr: netip.AddrPortFrom(addr, id.LocalPort)}
	if to.addr.Port() == dnsPort && s.relay.resolvers.mean(addr, s.relay.subnets) {
		to.resolver = true
		return to, true
	}
	return to, mayDial(addr, s.relay.subnets)
}
