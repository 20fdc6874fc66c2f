package tunnel

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/netip"
	"net/url"
	"strings"
)

// Target is a port of the loopback that a registry's host names.
type Target struct {
	// Addresses are where BuildKit may connect to, and where the registry may listen on this machine: 127.0.0.1:5000.
	Addresses []string
}

// Address returns the first address, which names the target.
func (t Target) Address() string { return t.Addresses[0] }

// TargetOf returns the target of a registry's host, with or without a port. ok is false if the host is not on the
// loopback by its name alone: an address, or localhost. No name server is asked. port is the one of a host without.
func TargetOf(host, port string) (t Target, ok bool) {
	u := url.URL{Host: host}
	port = cmp.Or(u.Port(), port)
	if name := strings.ToLower(u.Hostname()); name == "localhost" {
		return Target{[]string{net.JoinHostPort("127.0.0.1", port), net.JoinHostPort("::1", port)}}, true
	}
	addr, err := netip.ParseAddr(u.Hostname())
	if err != nil || !addr.IsLoopback() || addr.Zone() != "" {
		return Target{}, false
	}
	return Target{[]string{net.JoinHostPort(addr.Unmap().String(), port)}}, true
}

// Dial connects to the target on this machine.
func (t Target) Dial(ctx context.Context) (net.Conn, error) {
	var failed error
	for _, address := range t.Addresses {
		conn, err := (&net.Dialer{Timeout: dialLimit}).DialContext(ctx, "tcp", address)
		if err == nil {
			return conn, nil
		}
		failed = errors.Join(failed, err)
	}
	return nil, failed
}

// Answers reports whether something listens at the target on this machine.
func (t Target) Answers(ctx context.Context) bool {
	conn, err := t.Dial(ctx)
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}
