package buildkit

import (
	"net/netip"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/address"
)

// nearness is where an address leads. A higher value is more dangerous.
type nearness int

const (
	elsewhere nearness = iota
	thisMachine
	cloudService // link-local addresses and the metadata services of clouds
)

// nearnessOf returns where an address leads.
func nearnessOf(addr netip.Addr) nearness {
	switch address.KindOf(addr) {
	case address.Loopback:
		return thisMachine
	case address.LinkLocal, address.Metadata:
		return cloudService
	}
	return elsewhere
}
