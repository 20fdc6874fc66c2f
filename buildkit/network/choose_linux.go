package network

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"syscall"
)

// ChooseSubnets returns a subnet for IPv4 and, where the machine has IPv6, one for IPv6. They overlap no route of any
// routing table of this network namespace. It fails when the tables cannot be read, or when every candidate is taken.
func ChooseSubnets() ([]netip.Prefix, error) {
	taken, err := readRoutes()
	if err != nil {
		return nil, fmt.Errorf("routing tables: %w", err)
	}
	v4, ok := pick(candidates4, taken)
	if !ok {
		return nil, fmt.Errorf("each subnet that steps could have overlaps a route of this machine: free one of %v",
			candidates4)
	}
	if !hasIPv6(taken) {
		return []netip.Prefix{v4}, nil
	}
	v6, ok := pick(candidates6, taken)
	if !ok {
		return nil, fmt.Errorf("each subnet that steps could have overlaps a route of this machine: free one of %v",
			candidates6)
	}
	return []netip.Prefix{v4, v6}, nil
}

// hasIPv6 reports whether a route leads to addresses of IPv6 beyond this machine and its links.
func hasIPv6(routes []netip.Prefix) bool {
	return slices.ContainsFunc(routes, func(p netip.Prefix) bool {
		return p.Addr().Is6() && p.Bits() < 128 && !p.Addr().IsLinkLocalUnicast() && !p.Addr().IsMulticast()
	})
}

// readRoutes returns the destinations of all routes that lead somewhere, of all tables.
func readRoutes() ([]netip.Prefix, error) {
	dump, err := syscall.NetlinkRIB(syscall.RTM_GETROUTE, syscall.AF_UNSPEC)
	if err != nil {
		return nil, err
	}
	messages, err := syscall.ParseNetlinkMessage(dump)
	if err != nil {
		return nil, err
	}
	var routes []netip.Prefix
	for i := range messages {
		if messages[i].Header.Type != syscall.RTM_NEWROUTE {
			continue
		}
		route, ok, err := parseRoute(&messages[i])
		if err != nil {
			return nil, err
		}
		if ok {
			routes = append(routes, route)
		}
	}
	return routes, nil
}

// parseRoute returns the destination of a route. ok is false for one that forbids destinations, and for another family.
func parseRoute(message *syscall.NetlinkMessage) (route netip.Prefix, ok bool, err error) {
	// struct rtmsg: family, length of the destination, …, type.
	const family, bits, kind = 0, 1, 7
	if len(message.Data) < syscall.SizeofRtMsg {
		return route, false, errors.New("a short message of the kernel")
	}
	addr := netip.IPv4Unspecified()
	switch message.Data[family] {
	case syscall.AF_INET:
	case syscall.AF_INET6:
		addr = netip.IPv6Unspecified()
	default:
		return route, false, nil
	}
	switch message.Data[kind] {
	case syscall.RTN_UNREACHABLE, syscall.RTN_BLACKHOLE, syscall.RTN_PROHIBIT, syscall.RTN_THROW:
		return route, false, nil
	}
	attributes, err := syscall.ParseNetlinkRouteAttr(message)
	if err != nil {
		return route, false, err
	}
	for _, attribute := range attributes {
		if attribute.Attr.Type == syscall.RTA_DST {
			addr, _ = netip.AddrFromSlice(attribute.Value)
		}
	}
	route, err = addr.Prefix(int(message.Data[bits]))
	return route, err == nil, err
}
