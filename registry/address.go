package registry

import (
	"net/netip"
	"net/url"
)

// place is where an address leads to, from the least to the most sensitive.
type place int32

const (
	public    place = iota // the internet
	private                // a network of the user's
	loopback               // this machine
	linkLocal              // this link alone: neighbors, and the service by which a cloud gives its machines credentials
)

// String names the place in errors.
func (p place) String() string {
	return [...]string{"a public address", "a private address", "this machine itself", "an address of this machine's link or cloud"}[p]
}

// prefixes are the places that package netip does not know, or calls by another name.
var prefixes = []struct {
	place place
	of    []netip.Prefix
}{
	// Metadata and credential services: Azure, Alibaba, Oracle, AWS on IPv6, Google on IPv6.
	{linkLocal, parsePrefixes("168.63.129.16/32", "100.100.100.200/32", "192.0.0.192/32", "fd00:ec2::/32", "fd20:ce::254/128")},
	// Nobody serves an image from a group, from everybody or from an address that is reserved.
	{linkLocal, parsePrefixes("169.254.0.0/16", "fe80::/10", "224.0.0.0/3", "ff00::/8")},
	// Systems connect to this machine where they are asked for no address.
	{loopback, parsePrefixes("0.0.0.0/8", "127.0.0.0/8", "::/128", "::1/128")},
	{private, parsePrefixes("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "198.18.0.0/15", "192.0.0.0/24",
		"fc00::/7", "fec0::/10")},
}

func parsePrefixes(texts ...string) []netip.Prefix {
	parsed := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		parsed[i] = netip.MustParsePrefix(text)
	}
	return parsed
}

// placeOf classifies an address. One that holds an IPv4 address, mapped or for a translator, leads to where that does.
func placeOf(ip netip.Addr) place {
	ip = embedded(ip.WithZone("").Unmap())
	for _, known := range prefixes {
		for _, prefix := range known.of {
			if prefix.Contains(ip) {
				return known.place
			}
		}
	}
	return public
}

// translated are the prefixes of IPv6 addresses that hold an IPv4 address, and the byte at which it begins:
// RFC 6052 and RFC 8215 (NAT64), RFC 3056 (6to4), RFC 2765 (IPv4-translated), RFC 4291 (IPv4-compatible).
var translated = []struct {
	prefix netip.Prefix
	at     int
}{
	{netip.MustParsePrefix("64:ff9b::/96"), 12},
	{netip.MustParsePrefix("64:ff9b:1::/48"), 12},
	{netip.MustParsePrefix("2002::/16"), 2},
	{netip.MustParsePrefix("::ffff:0:0:0/96"), 12},
	{netip.MustParsePrefix("::/96"), 12},
}

// embedded returns the IPv4 address in ip, or ip.
func embedded(ip netip.Addr) netip.Addr {
	if !ip.Is6() || ip.IsLoopback() || ip.IsUnspecified() {
		return ip
	}
	bytes := ip.As16()
	for _, t := range translated {
		if t.prefix.Contains(ip) {
			return netip.AddrFrom4([4]byte(bytes[t.at : t.at+4]))
		}
	}
	return ip
}

// placeOfHost classifies a host, with or without port, by its name alone: an address, or localhost. Any other name is public until it is
// dialed. literal says whether it is an address.
func placeOfHost(host string) (p place, literal bool) {
	hostname := (&url.URL{Host: host}).Hostname()
	if ip, err := netip.ParseAddr(hostname); err == nil {
		return placeOf(ip), true
	}
	if isLoopback(host) {
		return loopback, false
	}
	return public, false
}
