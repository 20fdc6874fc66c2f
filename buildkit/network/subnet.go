package network

import (
	"net/netip"
	"slices"
)

// Each step has the same addresses: its namespace and its relay are its own. A subnet begins with an address that stays
// unused, followed by the relay's and the step's.

// RelayAddr returns the relay's address in a subnet: the gateway of the step.
func RelayAddr(subnet netip.Prefix) netip.Addr { return subnet.Masked().Addr().Next() }

// StepAddr returns the step's address in a subnet.
func StepAddr(subnet netip.Prefix) netip.Addr { return RelayAddr(subnet).Next() }

// candidates4 are reserved for documentation (RFC 5737) and for benchmarks (RFC 2544), so that hardly any network has
// them. The others are for machines that use those nevertheless.
var candidates4 = prefixes("192.0.2.0/30", "198.51.100.0/30", "203.0.113.0/30", "198.18.77.0/30", "198.19.77.0/30",
	"10.254.77.0/30", "172.30.77.0/30", "192.168.177.0/30", "100.127.77.0/30", "10.177.77.0/30")

// candidates6 are unique local addresses (RFC 4193) of random prefixes.
var candidates6 = prefixes("fd5c:9a1e:77b3::/126", "fdb4:03d7:e6a2::/126", "fd17:c0f2:5e88::/126")

// wide is the length of the prefixes that do not count as routes of the machine's own: VPNs split a default route in
// two or four.
const wide = 3

// pick returns the first candidate that overlaps none of the taken prefixes.
func pick(candidates, taken []netip.Prefix) (netip.Prefix, bool) {
	for _, candidate := range candidates {
		overlaps := func(p netip.Prefix) bool { return p.Bits() > wide && p.Overlaps(candidate) }
		if !slices.ContainsFunc(taken, overlaps) {
			return candidate, true
		}
	}
	return netip.Prefix{}, false
}

func prefixes(texts ...string) []netip.Prefix {
	all := make([]netip.Prefix, 0, len(texts))
	for _, text := range texts {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}
