package registry

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// route leads to one registry, and to where the registry sends us: by redirects, and by the token server that it names.
//
// A registry's word is no reason to reach services of this machine or to give them a login. So a route judges each
// address when it dials it, after DNS has resolved the name.
type route struct {
	host       string          // canonical, the registry's
	insecure   bool            // the user allows plain HTTP for it
	namedHosts map[string]bool // the other hosts in registries, and whether plain HTTP is allowed for them

	// open carries what holds no login, and all that goes to the registry itself. trusted carries logins to token
	// servers. Each has connections of its own, for a connection is judged once.
	open, trusted http.RoundTripper
	proxy         func(*http.Request) (*url.URL, error) // nil if nobody knows
	proxies       sync.Map                              // addresses, host:port

	// seen is the least sensitive place from which the registry has answered, plus one; 0 means that it has not.
	seen atomic.Int32
}

// newRoute returns the route to the registry at host, over a copy of transport. If that is no *http.Transport, the
// route judges addresses by their URLs alone.
func newRoute(transport http.RoundTripper, host string, insecure bool, named map[string]bool) *route {
	r := &route{host: host, insecure: insecure, namedHosts: named, open: transport, trusted: transport}
	if base, ok := transport.(*http.Transport); ok {
		r.open, r.trusted = r.guardTransport(base, false), r.guardTransport(base, true)
		r.proxy = base.Proxy
	}
	return r
}

// maxHeader bounds the header of a response, in bytes. The default of Go is 10 MB.
const maxHeader = 256 << 10

// guardTransport returns a copy of base that judges each connection when it dials it.
func (r *route) guardTransport(base *http.Transport, login bool) *http.Transport {
	own := base.Clone()
	own.MaxResponseHeaderBytes = maxHeader
	own.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		// Package http calls this in a goroutine of its own.
		return rescue.Value(func() (net.Conn, error) { return r.dial(ctx, network, address, login) })
	}
	if base.Proxy != nil {
		own.Proxy = func(req *http.Request) (*url.URL, error) {
			proxy, err := base.Proxy(req)
			if proxy != nil {
				r.proxies.Store(addressOfProxy(proxy), true)
			}
			return proxy, err
		}
	}
	return own
}

// addressOfProxy returns the address that package http dials for a proxy.
func addressOfProxy(proxy *url.URL) string {
	port := proxy.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443", "socks5": "1080", "socks5h": "1080"}[proxy.Scheme]
	}
	return net.JoinHostPort(proxy.Hostname(), port)
}

// dial connects to address unless it leads to where the registry may not send us. A proxy is named by the user,
// wherever it is.
func (r *route) dial(ctx context.Context, network, address string, login bool) (net.Conn, error) {
	dialer := &net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}
	if _, ok := r.proxies.Load(address); !ok {
		dialer.ControlContext = func(_ context.Context, _, resolved string, _ syscall.RawConn) error {
			to, err := netip.ParseAddrPort(resolved)
			if err != nil {
				return err
			}
			// Two addresses are dialed side by side.
			return rescue.Call(func() error { return r.judge(address, to.Addr(), login) })
		}
	}
	return dialer.DialContext(ctx, network, address)
}

// judge returns an *addressError if host, as the registry wrote it, leads to an address that it may not send us to.
func (r *route) judge(host string, to netip.Addr, login bool) error {
	if at := placeOf(to); !r.mayDial(host, at, login) {
		return &addressError{
			registry: r.host, host: withoutDefaultPort(host), address: to.String(), at: at, login: at == private,
		}
	}
	return nil
}

// mayDial reports whether host may be dialed at a place. It may if the registry is at such a place as well, or if the
// user named the host. A login does not go to a private address because the registry says so.
//
// An address of the link counts as named only if the user wrote the address itself, and not a name for it.
func (r *route) mayDial(host string, at place, login bool) bool {
	named := r.owns(host) || r.isNamed(host)
	_, literal := placeOfHost(host)
	switch at {
	case public:
		return true
	case private:
		return !login || named || r.placeOfRegistry() == private || r.placeOfRegistry() == loopback
	case loopback:
		return named || r.placeOfRegistry() == loopback
	}
	return named && literal
}

// owns reports whether host, with or without port, is the registry itself.
func (r *route) owns(host string) bool {
	return r.host == fault.CanonicalHost(withoutDefaultPort(host))
}

// isNamed reports whether the user named host, with or without port.
func (r *route) isNamed(host string) bool {
	_, ok := r.namedHosts[fault.CanonicalHost(withoutDefaultPort(host))]
	return ok
}

// withoutDefaultPort cuts the port that a URL need not have.
func withoutDefaultPort(host string) string {
	return strings.TrimSuffix(strings.TrimSuffix(host, ":443"), ":80")
}

// placeOfRegistry returns where the registry is: by its name, or else by the addresses from which it has answered.
func (r *route) placeOfRegistry() place {
	if at, literal := placeOfHost(r.host); literal || at == loopback {
		return at
	}
	return place(max(r.seen.Load()-1, 0))
}

// isLocated reports whether the place of the registry is known.
func (r *route) isLocated() bool {
	at, literal := placeOfHost(r.host)
	return literal || at == loopback || r.seen.Load() > 0
}

// send passes a request on, and notes from where the registry answers. It notes nothing behind a proxy, whose address
// says nothing about the registry.
func (r *route) send(req *http.Request) (*http.Response, error) {
	if !r.owns(req.URL.Host) {
		if carriesLogin(req) {
			return r.trusted.RoundTrip(req)
		}
		return r.open.RoundTrip(req)
	}
	if r.isProxied(req) {
		return r.open.RoundTrip(req)
	}
	var from atomic.Value
	trace := &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
		from.Store(info.Conn.RemoteAddr().String())
	}}
	resp, err := r.open.RoundTrip(req.WithContext(httptrace.WithClientTrace(req.Context(), trace)))
	if address, ok := from.Load().(string); ok && err == nil {
		r.note(address)
	}
	return resp, err
}

// isProxied reports whether a request goes through a proxy. After an error nobody knows, and so it counts as one.
func (r *route) isProxied(req *http.Request) bool {
	if r.proxy == nil {
		return false
	}
	proxy, err := r.proxy(req)
	return proxy != nil || err != nil
}

// note remembers the least sensitive place. A name that leads to this machine today and elsewhere tomorrow does not
// name this machine.
func (r *route) note(address string) {
	from, err := netip.ParseAddrPort(address)
	if err != nil {
		return
	}
	at := int32(placeOf(from.Addr())) + 1
	for {
		before := r.seen.Load()
		if before != 0 && before <= at || r.seen.CompareAndSwap(before, at) {
			return
		}
	}
}

// addressError is the error of a request that a registry wants us to send to a place where it may not.
type addressError struct {
	registry, host, address string
	at                      place
	login                   bool // without one it would be allowed
}

// Error names the host.
func (e *addressError) Error() string {
	to := e.host
	if to != e.address && withoutPort(to) != e.address {
		to += " (" + e.address + ")"
	}
	if e.login {
		return fmt.Sprintf("%s wants the login to be sent to %s, which is %s: refused",
			e.registry, to, e.at)
	}
	return fmt.Sprintf("%s sends us to %s, which is %s: refused", e.registry, to, e.at)
}

// NonRetriable tells Azure's library not to try again.
func (e *addressError) NonRetriable() {}

// withoutPort cuts any port.
func withoutPort(host string) string { return (&url.URL{Host: host}).Hostname() }
