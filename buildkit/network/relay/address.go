package relay

import (
	"net/netip"
	"slices"
)

// unreachable are the addresses that no step reaches, beside those that are no global unicast addresses: multicast, broadcast.
// They lead back to the machine, to the metadata service of its cloud, or through a translation to such an address.
var unreachable = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),          // Linux takes 0.0.0.0 for 127.0.0.1
	netip.MustParsePrefix("127.0.0.0/8"),        // loopback
	netip.MustParsePrefix("169.254.0.0/16"),     // link-local: metadata of most clouds, 169.254.169.254 and 169.254.170.2
	netip.MustParsePrefix("192.0.0.0/24"),       // protocol assignments: metadata of Oracle Cloud, 192.0.0.192
	netip.MustParsePrefix("240.0.0.0/4"),        // reserved
	netip.MustParsePrefix("100.100.100.200/32"), // metadata of Alibaba Cloud
	netip.MustParsePrefix("168.63.129.16/32"),   // the host agent of Azure

	netip.MustParsePrefix("::/96"),            // ::, ::1, and addresses of IPv4 as the first form of IPv6 had them
	netip.MustParsePrefix("::ffff:0:0/96"),    // IPv4-mapped
	netip.MustParsePrefix("::ffff:0:0:0/96"),  // IPv4-translated
	netip.MustParsePrefix("64:ff9b:1::/48"),   // local translation (RFC 8215), whose form nobody else knows
	netip.MustParsePrefix("2001::/32"),        // Teredo
	netip.MustParsePrefix("2002::/16"),        // 6to4
	netip.MustParsePrefix("fe80::/10"),        // link-local
	netip.MustParsePrefix("fec0::/10"),        // site-local
	netip.MustParsePrefix("fd00:ec2::/32"),    // services of Amazon's instances: fd00:ec2::254 is the metadata
	netip.MustParsePrefix("fd20:ce::254/128"), // metadata of Google Cloud
	netip.MustParsePrefix("fd00:42::42/128"),  // metadata of Scaleway
}

// translation is the well-known prefix (RFC 6052) by which hosts that have only IPv6 reach those of IPv4.
var translation = netip.MustParsePrefix("64:ff9b::/96")

// mayDial reports whether the relay may dial addr for a step. own are the subnets of the steps themselves.
func mayDial(addr netip.Addr, own []netip.Prefix) bool {
	if translation.Contains(addr) {
		bytes := addr.As16()
		return mayDial(netip.AddrFrom4([4]byte(bytes[12:])), own)
	}
	within := func(p netip.Prefix) bool { return p.Contains(addr) }
	return addr.IsGlobalUnicast() && addr.Zone() == "" && !slices.ContainsFunc(unreachable, within) && !slices.ContainsFunc(own, within)
}
