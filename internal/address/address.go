// Package address tells where an IP address leads. It holds facts only: its callers decide what may be dialed.
package address

import (
	"net/netip"
	"slices"
)

// Kind is where an address leads.
type Kind int

// The kinds of addresses.
const (
	Public    Kind = iota // the internet
	Private               // a network of the user's
	Loopback              // this machine
	LinkLocal             // this link alone: its neighbors, and the metadata services of most clouds
	Metadata              // a service by which a cloud gives its machines credentials, outside of the link-local ranges
	Group                 // several machines, or nobody: multicast, broadcast, reserved addresses
)

// KindOf returns where addr leads. An IPv6 address that holds an IPv4 address leads to where that does; see Embedded.
func KindOf(addr netip.Addr) Kind {
	addr, _ = Embedded(addr.WithZone(""))
	for _, r := range ranges {
		if slices.ContainsFunc(r.prefixes, func(p netip.Prefix) bool { return p.Contains(addr) }) {
			return r.kind
		}
	}
	return Public
}

// ranges are the addresses that are not public. The first range that contains an address decides.
var ranges = []struct {
	kind     Kind
	prefixes []netip.Prefix
}{
	{Metadata, Prefixes(
		"168.63.129.16/32",   // Azure
		"100.100.100.200/32", // Alibaba Cloud
		"192.0.0.192/32",     // Oracle Cloud
		"fd00:ec2::/32",      // Amazon: fd00:ec2::254 is the metadata, fd00:ec2::23 the credentials of pods
		"fd20:ce::254/128",   // Google Cloud
		"fd00:42::42/128",    // Scaleway
	)},
	// 169.254.169.254 and 169.254.170.2 are the metadata services of most clouds.
	{LinkLocal, Prefixes("169.254.0.0/16", "fe80::/10", "224.0.0.0/24", "ff02::/16")},
	{Group, Prefixes("224.0.0.0/3", "ff00::/8")},
	// Systems connect to this machine when they are asked for no address.
	{Loopback, Prefixes("0.0.0.0/8", "127.0.0.0/8", "::/128", "::1/128")},
	{Private, Prefixes("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "198.18.0.0/15",
		"192.0.0.0/24", "fc00::/7", "fec0::/10")},
}

// embeddings are the prefixes of IPv6 addresses that hold an IPv4 address, and the byte at which that begins. Package
// netip knows those that are mapped.
var embeddings = []struct {
	prefix netip.Prefix
	at     int
}{
	{netip.MustParsePrefix("::/96"), 12},           // IPv4-compatible (RFC 4291)
	{netip.MustParsePrefix("::ffff:0:0:0/96"), 12}, // IPv4-translated (RFC 2765)
	{netip.MustParsePrefix("64:ff9b::/96"), 12},    // NAT64 (RFC 6052)
	{netip.MustParsePrefix("64:ff9b:1::/48"), 12},  // NAT64 of a local network (RFC 8215)
	{netip.MustParsePrefix("2002::/16"), 2},        // 6to4 (RFC 3056)
}

// Embedded returns the IPv4 address that addr holds. ok is false, and the address is addr itself, if it holds none.
func Embedded(addr netip.Addr) (v4 netip.Addr, ok bool) {
	if addr.Is4In6() { // IPv4-mapped (RFC 4291)
		return addr.Unmap(), true
	}
	if !addr.Is6() || addr.IsLoopback() || addr.IsUnspecified() {
		return addr, false
	}
	bytes := addr.As16()
	for _, e := range embeddings {
		if e.prefix.Contains(addr) {
			return netip.AddrFrom4([4]byte(bytes[e.at : e.at+4])), true
		}
	}
	return addr, false
}

// Prefixes parses prefixes that are written in the program. It panics if one is not valid.
func Prefixes(texts ...string) []netip.Prefix {
	parsed := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		parsed[i] = netip.MustParsePrefix(text)
	}
	return parsed
}
