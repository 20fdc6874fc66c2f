package endpoint

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/address"
)

// InsecureTCPError says that a daemon on another machine was to be reached without TLS.
type InsecureTCPError struct{ Endpoint, Address string }

// Error names the endpoint, the address and the danger.
func (e *InsecureTCPError) Error() string {
	return fmt.Sprintf("%s: it was not dialed: %s is another machine, and without TLS everybody on the way reads the "+
		"secrets of the build and may change what is built", e.Endpoint, e.Address)
}

// CheckLocal returns an *InsecureTCPError if the text of a tcp:// endpoint alone says that it is on another machine. Of
// a host name only Dial can tell.
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

// isHere reports whether what is sent to addr stays on this machine: a loopback address, the unspecified address, which
// people copy from the arguments of a daemon, or the address of an interface of this machine.
func isHere(addr netip.Addr) bool {
	addr = addr.Unmap()
	if addr.IsLoopback() || addr.IsUnspecified() {
		return true
	}
	own, _ := net.InterfaceAddrs() // without them only the loopback is known
	return slices.ContainsFunc(own, func(a net.Addr) bool {
		prefix, err := netip.ParsePrefix(a.String())
		return err == nil && prefix.Addr().Unmap() == addr.WithZone("")
	})
}

// CheckHere returns an *InsecureTCPError if a host with a port has an address of another machine. endpoint is what the
// error names.
func CheckHere(ctx context.Context, endpoint, hostPort string) error {
	_, _, err := resolveHere(ctx, endpoint, hostPort)
	return err
}

// DialHere connects to a host with a port on this machine, and to no other: it judges the very address that it dials.
// It returns an *InsecureTCPError for another machine. endpoint is what the error names.
func DialHere(ctx context.Context, endpoint, hostPort string) (net.Conn, error) {
	addrs, port, err := resolveHere(ctx, endpoint, hostPort)
	if err != nil {
		return nil, err
	}
	return dialFirst(ctx, addrs, port)
}

// resolveHere returns the addresses of a host, all of which are of this machine, and the port.
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
