package endpoint

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/address"
)

// InsecureTCPError says that a connection to another machine would be without TLS.
type InsecureTCPError struct{ Endpoint, Address string }

// Error names the endpoint, the address and the danger.
func (e *InsecureTCPError) Error() string {
	return fmt.Sprintf("%s: it was not dialed: %s is another machine, and without TLS everybody on the way reads the "+
		"secrets of the build and may change what is built", e.Endpoint, e.Address)
}

// CheckLocal returns an *InsecureTCPError if the IP address in a tcp:// endpoint is that of another machine. It returns
// nil for a host name, which only Dial resolves.
func (e Endpoint) CheckLocal() error {
	host, _, err := net.SplitHostPort(e.rest)
	if !e.IsTCP() || err != nil {
		return nil
	}
	if addr, ok := address.Parse(host); ok && !isHere(addr) {
		return &InsecureTCPError{Endpoint: e.text, Address: addr.String()}
	}
	return nil
}

// isHere reports whether addr is on this machine: a loopback address, the address of an interface, or the unspecified
// address, which people copy from the arguments of a daemon.
func isHere(addr netip.Addr) bool {
	addr = addr.Unmap()
	if addr.IsLoopback() || addr.IsUnspecified() {
		return true
	}
	own, _ := net.InterfaceAddrs() // if that fails, only loopback addresses count
	return slices.ContainsFunc(own, func(a net.Addr) bool {
		prefix, err := netip.ParsePrefix(a.String())
		return err == nil && prefix.Addr().Unmap() == addr.WithZone("")
	})
}

// CheckHere returns an *InsecureTCPError if the host in hostPort has an address on another machine. The error names
// endpoint.
func CheckHere(ctx context.Context, endpoint, hostPort string) error {
	_, _, err := resolveHere(ctx, endpoint, hostPort)
	return err
}

// DialHere connects to hostPort if that is on this machine. It checks the very address that it dials. It returns an
// *InsecureTCPError, which names endpoint, if an address of the host is on another machine.
func DialHere(ctx context.Context, endpoint, hostPort string) (net.Conn, error) {
	addrs, port, err := resolveHere(ctx, endpoint, hostPort)
	if err != nil {
		return nil, err
	}
	return dialFirst(ctx, addrs, port)
}

// resolveHere returns the addresses and the port of hostPort. It returns an *InsecureTCPError unless all addresses are
// on this machine.
func resolveHere(ctx context.Context, endpoint, hostPort string) (addrs []netip.Addr, port string, err error) {
	host, port, err := net.SplitHostPort(hostPort)
	if err != nil {
		return nil, "", err
	}
	if host == "" {
		host = "localhost"
	}
	if addrs, err = net.DefaultResolver.LookupNetIP(ctx, "ip", host); err != nil {
		return nil, "", err
	}
	for _, addr := range addrs {
		if !isHere(addr) {
			return nil, "", &InsecureTCPError{Endpoint: endpoint, Address: addr.String()}
		}
	}
	return addrs, port, nil
}
