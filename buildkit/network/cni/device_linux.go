package cni

import (
	"fmt"
	"net"
	"net/netip"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/network"
)

// addDevice creates the device of the environment's name in this namespace and hands it to the relay.
func addDevice(config network.Config) error {
	name := os.Getenv("CNI_IFNAME")
	device, err := network.OpenDevice(config.Device, name)
	if err != nil {
		return err
	}
	defer func() { _ = device.Close() }()
	if err := configure(name, config.Subnets); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return network.Attach(config.Socket, os.Getenv("CNI_CONTAINERID"), device)
}

// configure gives the device its addresses and the default routes.
func configure(name string, subnets []netip.Prefix) error {
	quietIPv6(name, len(subnets) > 1)
	link, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	if err := netlink.LinkSetMTU(link, network.MTU); err != nil {
		return fmt.Errorf("mtu: %w", err)
	}
	for _, subnet := range subnets {
		// Nobody else is there who could have the address: it need not be tentative for a second.
		address := &netlink.Addr{IPNet: ipNet(network.StepAddr(subnet), subnet.Bits()), Flags: unix.IFA_F_NODAD}
		if err := netlink.AddrAdd(link, address); err != nil {
			return fmt.Errorf("address %v: %w", address.IPNet, err)
		}
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return fmt.Errorf("bring up: %w", err)
	}
	for _, subnet := range subnets {
		relay := network.RelayAddr(subnet)
		route := &netlink.Route{LinkIndex: link.Attrs().Index, Gw: relay.AsSlice()}
		if err := netlink.RouteAdd(route); err != nil {
			return fmt.Errorf("default route by %v: %w", relay, err)
		}
	}
	return nil
}

// quietIPv6 keeps the kernel from asking for routers that are not there. Without a subnet of IPv6 it switches IPv6 off.
// Where /proc/sys cannot be written the kernel asks in vain, which does no harm.
func quietIPv6(name string, used bool) {
	setting, value := "disable_ipv6", "1"
	if used {
		setting, value = "accept_ra", "0"
	}
	_ = os.WriteFile("/proc/sys/net/ipv6/conf/"+name+"/"+setting, []byte(value), 0)
}

func bringUp(name string) error {
	link, err := netlink.LinkByName(name)
	if err == nil {
		err = netlink.LinkSetUp(link)
	}
	if err != nil {
		return fmt.Errorf("%s: bring up: %w", name, err)
	}
	return nil
}

func stepAddresses(subnets []netip.Prefix) []string {
	var addresses []string
	for _, subnet := range subnets {
		addresses = append(addresses, netip.PrefixFrom(network.StepAddr(subnet), subnet.Bits()).String())
	}
	return addresses
}

func ipNet(addr netip.Addr, bits int) *net.IPNet {
	return &net.IPNet{IP: addr.AsSlice(), Mask: net.CIDRMask(bits, addr.BitLen())}
}
