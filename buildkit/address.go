package buildkit

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// nearness says where an address leads.
type nearness int

const (
	elsewhere nearness = iota
	thisMachine
	cloudService // link-local addresses and the metadata services of clouds
)

// parseAddress reads an address in any of the forms that the C library takes: git reaches 127.0.0.1 as 2130706433, 0x7f.1
// or 0177.0.0.1 (inet_aton(3)).
func parseAddress(host string) (netip.Addr, bool) {
	if addr, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return addr.WithZone(""), true
	}
	parts := strings.Split(host, ".")
	if len(parts) > 4 {
		return netip.Addr{}, false
	}
	var sum uint64
	for i, part := range parts {
		n, err := strconv.ParseUint(part, 0, 64)
		if strings.ContainsAny(part, "_obOB") && !strings.HasPrefix(strings.ToLower(part), "0x") {
			return netip.Addr{}, false
		}
		limit := uint64(1) << 8
		if i == len(parts)-1 {
			limit = 1 << (8 * (5 - len(parts)))
		}
		if err != nil || n >= limit {
			return netip.Addr{}, false
		}
		if i == len(parts)-1 {
			sum |= n
			break
		}
		sum |= n << (8 * (3 - i))
	}
	return netip.AddrFrom4([4]byte{byte(sum >> 24), byte(sum >> 16), byte(sum >> 8), byte(sum)}), true
}

// metadataServices are the metadata services outside of the link-local ranges: of Amazon by IPv6, Azure and Alibaba.
var metadataServices = []netip.Addr{
	netip.MustParseAddr("fd00:ec2::254"), netip.MustParseAddr("168.63.129.16"), netip.MustParseAddr("100.100.100.200"),
}

// embedding are the ranges of IPv6 whose last four bytes are an address of IPv4: mapped, compatible, translated (RFC 6052).
var embedding = []netip.Prefix{
	netip.MustParsePrefix("::ffff:0:0/96"), netip.MustParsePrefix("::/96"), netip.MustParsePrefix("::ffff:0:0:0/96"),
	netip.MustParsePrefix("64:ff9b::/96"),
}

// near tells where an address leads.
func near(addr netip.Addr) nearness {
	if addr.Is6() && !addr.IsLoopback() && !addr.IsUnspecified() {
		for _, prefix := range embedding {
			if prefix.Contains(addr) || addr.Is4In6() {
				b := addr.As16()
				return near(netip.AddrFrom4([4]byte(b[12:])))
			}
		}
	}
	switch {
	case addr.IsLoopback(), addr.Is4() && addr.As4()[0] == 0, addr.IsUnspecified():
		return thisMachine
	case addr.IsLinkLocalUnicast(), addr.IsLinkLocalMulticast(), slices.Contains(metadataServices, addr):
		return cloudService
	}
	return elsewhere
}
