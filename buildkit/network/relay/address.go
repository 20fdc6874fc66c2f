package relay

import (
	"net/netip"
	"slices"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/address"
)

// unreachable are the ranges that no step reaches although they are public or private.
var unreachable = address.Prefixes(
	"192.0.0.0/24", // protocol assignments
	"2001::/32",    // Teredo, which holds an IPv4 address in a form of its own
	"fec0::/10",    // site-local
)

// translation is the prefix by which hosts that have only IPv6 reach those of IPv4 (RFC 6052).
var translation = netip.MustParsePrefix("64:ff9b::/96")

// mayDial reports whether the relay may dial addr for a step. own are the subnets of the steps themselves.
//
// Of the IPv6 addresses that hold an IPv4 address it dials only those of the well-known translation. Who translates the
// others, and to what, is not known here.
func mayDial(addr netip.Addr, own []netip.Prefix) bool {
	v4, ok := address.Embedded(addr)
	if ok {
		return translation.Contains(addr) && mayDial(v4, own)
	}
	switch address.KindOf(addr) {
	case address.Public, address.Private:
	default:
		return false
	}
	within := func(p netip.Prefix) bool { return p.Contains(addr) }
	return addr.IsGlobalUnicast() && addr.Zone() == "" &&
		!slices.ContainsFunc(unreachable, within) && !slices.ContainsFunc(own, within)
}
