package main

import (
	"fmt"
	"net"
	"net/netip"
)

func interfaceIndex(name string) (int, error) {
	i, err := net.InterfaceByName(name)
	if err != nil {
		return 0, err
	}
	return i.Index, nil
}

// ownAddress is the step's address of a family.
func ownAddress(v4 bool) (netip.Addr, error) {
	i, err := net.InterfaceByName("eth0")
	if err != nil {
		return netip.Addr{}, err
	}
	addresses, err := i.Addrs()
	if err != nil {
		return netip.Addr{}, err
	}
	for _, address := range addresses {
		addr, ok := netip.AddrFromSlice(address.(*net.IPNet).IP)
		if addr = addr.Unmap(); ok && addr.Is4() == v4 && addr.IsGlobalUnicast() {
			return addr, nil
		}
	}
	return netip.Addr{}, fmt.Errorf("eth0 has no address of this family")
}
