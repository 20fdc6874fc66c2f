package registry

import (
	"net/netip"
	"net/url"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/address"
)

// place is where an address leads, from the least to the most sensitive.
type place int32

const (
	public    place = iota // the internet
	private                // a network of the user's
	loopback               // this machine
	linkLocal              // this link alone, a cloud's metadata service, or several machines
)

// String names the place in errors.
func (p place) String() string {
	return [...]string{
		"a public address", "a private address", "this machine itself", "an address of this machine's link or cloud",
	}[p]
}

// placeOf returns where an address leads. Multicast, broadcast and reserved addresses count as linkLocal: nobody serves
// an image from them.
func placeOf(ip netip.Addr) place {
	switch address.KindOf(ip) {
	case address.Public:
		return public
	case address.Private:
		return private
	case address.Loopback:
		return loopback
	}
	return linkLocal
}

// placeOfHost returns where a host leads, with or without port, by its name alone: an address, or localhost. Any other
// name counts as public until it is dialed. literal says whether the host is an address.
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
