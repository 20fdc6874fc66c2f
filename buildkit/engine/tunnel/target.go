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
	// Address is where BuildKit connects to: 127.0.0.1:5000.
	Address string
	// dials are where the registry may listen on this machine.
	dials []string
}

// TargetOf returns the target of a registry's host, with or without a port. ok is false if the host is not on the
// loopback by its name alone: an address, or localhost. No name server is asked.
func TargetOf(host string) (t Target, ok bool) {
	u := url.URL{Host: host}
	port := cmp.Or(u.Port(), "80") // BuildKit speaks plain HTTP to a loopback
	if name := strings.ToLower(u.Hostname()); name == "localhost" {
		four, six := net.JoinHostPort("127.0.0.1", port), net.JoinHostPort("::1", port)
		return Target{Address: four, dials: []string{four, six}}, true
	}
	addr, err := netip.ParseAddr(u.Hostname())
	if err != nil || !addr.IsLoopback() || addr.Zone() != "" {
		return Target{}, false
	}
	address := net.JoinHostPort(addr.Unmap().String(), port)
	return Target{Address: address, dials: []string{address}}, true
}

// Dial connects to the target on this machine.
func (t Target) Dial(ctx context.Context) (net.Conn, error) {
	var failed error
	for _, address := range t.dials {
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
