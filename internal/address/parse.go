package address

import (
	"net/netip"
	"strconv"
	"strings"
)

// Parse parses an address in any form that the C library takes (inet_aton(3)). ok is false for anything else.
//
// Git takes these forms: 2130706433, 0x7f.1 and 0177.0.0.1 all are 127.0.0.1.
func Parse(host string) (addr netip.Addr, ok bool) {
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
