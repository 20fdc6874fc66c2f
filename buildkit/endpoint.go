package buildkit

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/login"
)

// EndpointFault is what is wrong with the address of a daemon.
type EndpointFault int

// The faults of endpoints.
const (
	EndpointLogin    EndpointFault = iota // it has a user or a password
	EndpointForm                          // it is no URL
	EndpointRelative                      // the path of a unix:// endpoint is relative
	EndpointPort                          // a tcp:// endpoint has no port
	EndpointScheme                        // its scheme is neither unix:// nor tcp://
)

// EndpointError is an address of a daemon that cannot be used.
type EndpointError struct {
	Endpoint string // without a login
	Fault    EndpointFault
}

// Error names the endpoint and says what is wrong with it.
func (e *EndpointError) Error() string {
	scheme, _, _ := strings.Cut(e.Endpoint, "://")
	switch e.Fault {
	case EndpointLogin:
		return fmt.Sprintf("%q: an endpoint has no user and no password: BuildKit's protocol would not send them",
			e.Endpoint)
	case EndpointRelative:
		return fmt.Sprintf("%q: a unix:// endpoint has an absolute path", e.Endpoint)
	case EndpointPort:
		return fmt.Sprintf("%q: a tcp:// endpoint has a port", e.Endpoint)
	case EndpointScheme:
		return fmt.Sprintf("%q: the scheme %s:// is not known", e.Endpoint, scheme)
	default:
		return fmt.Sprintf("%q is not an endpoint", e.Endpoint)
	}
}

// CheckEndpoint looks at the address of a daemon without dialing it. It returns an *EndpointError unless the address
// has the form "unix:///path" or "tcp://host:port".
func CheckEndpoint(endpoint string) error {
	scheme, rest, ok := strings.Cut(endpoint, "://")
	if plain, hasLogin := login.Cut(endpoint); hasLogin {
		return &EndpointError{Endpoint: plain, Fault: EndpointLogin}
	}
	switch {
	case !ok || rest == "":
		return &EndpointError{Endpoint: endpoint, Fault: EndpointForm}
	case scheme == "unix" && !strings.HasPrefix(rest, "/"):
		return &EndpointError{Endpoint: endpoint, Fault: EndpointRelative}
	case scheme == "tcp" && !strings.Contains(rest, ":"):
		return &EndpointError{Endpoint: endpoint, Fault: EndpointPort}
	case scheme != "unix" && scheme != "tcp":
		return &EndpointError{Endpoint: endpoint, Fault: EndpointScheme}
	}
	return nil
}

// InsecureTCPError is a daemon on another machine that would be reached without TLS.
type InsecureTCPError struct{ Endpoint, Address string }

// Error names the endpoint, the address and the danger.
func (e *InsecureTCPError) Error() string {
	return fmt.Sprintf("%s: it was not dialed: %s is another machine, and without TLS everybody on the way reads the "+
		"secrets of the build and may change what is built", e.Endpoint, e.Address)
}

// CheckLocal returns an *InsecureTCPError if the endpoint is tcp:// with the address of another machine. It looks up no
// names; Dial does.
func CheckLocal(endpoint string) error {
	hostPort, isTCP := strings.CutPrefix(endpoint, "tcp://")
	if host, _, err := net.SplitHostPort(hostPort); isTCP && err == nil {
		if addr, ok := parseAddress(host); ok && !isThisMachine(addr) {
			return &InsecureTCPError{Endpoint: endpoint, Address: addr.String()}
		}
	}
	return nil
}

// isThisMachine reports whether data for addr stays on this machine. That holds for loopback addresses and for those of
// the machine's interfaces. It holds for 0.0.0.0 too, which people copy from the arguments of a daemon.
func isThisMachine(addr netip.Addr) bool {
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
