package download

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/net/http/httpproxy"
	"golang.org/x/net/idna"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/address"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
)

// place is how sensitive an address is, from the least to the most.
type place int32

const (
	public place = iota
	private
	machine // this machine
	closed  // the link, a cloud's metadata service, or several machines: nothing there serves texts
)

// String names the place in errors.
func (p place) String() string {
	return [...]string{
		"a public address", "a private address", "this machine itself", "an address of this machine's link or cloud",
	}[p]
}

// placeOf returns the place of an address.
func placeOf(addr netip.Addr) place {
	switch address.KindOf(addr) {
	case address.Public:
		return public
	case address.Private:
		return private
	case address.Loopback:
		return machine
	}
	return closed
}

// placeOfHost returns the place of a host by its name alone. Any name but localhost counts as public until it is
// dialed. literal says whether the host is an address.
func placeOfHost(host string) (at place, literal bool) {
	if addr, ok := address.Parse(host); ok {
		return placeOf(addr), true
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return machine, false
	}
	return public, false
}

// route leads to the host that the program names, and to where its server redirects.
type route struct {
	first     string // host:port that the program names
	at        place  // of its host, by the name alone
	literal   bool   // its host is an address
	transport *http.Transport
	proxies   sync.Map // addresses, host:port

	// seen is the least sensitive place at which the first host was dialed, plus one; 0 means that it was not.
	seen atomic.Int32
}

// newRoute returns a route to the host of a URL. The caller closes it.
func newRoute(first *url.URL) *route {
	r := &route{first: hostPort(first)}
	r.at, r.literal = placeOfHost(first.Hostname())
	proxyOf := httpproxy.FromEnvironment().ProxyFunc()
	r.transport = &http.Transport{
		Proxy: func(req *http.Request) (*url.URL, error) {
			proxy, err := proxyOf(req.URL)
			if proxy != nil {
				r.proxies.Store(hostPort(proxy), true)
			}
			return proxy, err
		},
		DialContext: func(ctx context.Context, network, to string) (net.Conn, error) {
			// Package http calls this in a goroutine of its own.
			return rescue.Value(func() (net.Conn, error) { return r.dial(ctx, network, to) })
		},
		ForceAttemptHTTP2:      true,
		TLSHandshakeTimeout:    10 * time.Second,
		MaxResponseHeaderBytes: maxHeader,
	}
	return r
}

// close closes the connections.
func (r *route) close() { r.transport.CloseIdleConnections() }

// hostPort returns the address that package http dials for a URL.
func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443", "socks5": "1080", "socks5h": "1080"}[u.Scheme]
	}
	host := strings.ToLower(u.Hostname())
	if ascii, err := idna.Lookup.ToASCII(host); err == nil {
		host = ascii
	}
	return net.JoinHostPort(host, port)
}

// dial connects to a host:port unless it leads to where the server may not send us. A proxy is named by the user,
// wherever it is.
func (r *route) dial(ctx context.Context, network, to string) (net.Conn, error) {
	dialer := &net.Dialer{Timeout: 10 * time.Second}
	if _, ok := r.proxies.Load(strings.ToLower(to)); !ok {
		dialer.ControlContext = func(_ context.Context, _, resolved string, _ syscall.RawConn) error {
			addr, err := netip.ParseAddrPort(resolved)
			if err != nil {
				return err
			}
			// Two addresses are dialed side by side.
			return rescue.Call(func() error { return r.judge(to, placeOf(addr.Addr()), addr.Addr().String()) })
		}
	}
	return dialer.DialContext(ctx, network, to)
}

// judge returns an *addressError if a host:port leads to a place that may not be reached. It notes where the first host
// is.
//
// An address of the link counts as named only if the program wrote the address itself, and not a name for it.
func (r *route) judge(to string, at place, addr string) error {
	if strings.ToLower(to) != r.first {
		if first := r.firstPlace(); at == public || first != closed && at <= first {
			return nil
		}
		return &addressError{host: to, address: addr, at: at, redirected: true}
	}
	if at == closed && !r.literal {
		return &addressError{host: to, address: addr, at: at}
	}
	r.note(at)
	return nil
}

// note remembers the least sensitive place of the first host. A name that leads to this machine today and elsewhere
// tomorrow does not name this machine.
func (r *route) note(at place) {
	for {
		before := r.seen.Load()
		if before != 0 && before <= int32(at)+1 || r.seen.CompareAndSwap(before, int32(at)+1) {
			return
		}
	}
}

// firstPlace returns the place of the first host. Behind a proxy only its name tells.
func (r *route) firstPlace() place {
	if seen := r.seen.Load(); seen > 0 {
		return place(seen - 1)
	}
	return r.at
}

// redirects are the answers of a transport. A redirect to a text that is no URL is an error, which does not repeat the
// text: package http would, with its login.
type redirects struct{ http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (t redirects) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := t.RoundTripper.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if _, err := req.URL.Parse(resp.Header.Get("Location")); err != nil {
		_ = resp.Body.Close()
		return nil, &redirectError{text: "the URL to which it redirects is not valid"}
	}
	return resp, nil
}

// check returns an error for a URL that may not be asked for, as far as its text tells. Dial judges the rest.
func (r *route) check(to *url.URL) error {
	at, literal := placeOfHost(to.Hostname())
	if to.User != nil && to.Scheme == "http" && at != machine {
		return errPlainLogin
	}
	if at == public {
		return nil
	}
	if !literal && hostPort(to) == r.first {
		return nil // localhost, as the program wrote it
	}
	return r.judge(hostPort(to), at, to.Hostname())
}

// checkRedirect returns an error for a redirect that may not be followed: one too many, one from https to http, one
// with a login, or one to an address that check refuses.
func (r *route) checkRedirect(req *http.Request, via []*http.Request) error {
	req.Header.Del("Referer") // its query may be a signature
	last := via[len(via)-1].URL
	switch to := req.URL; {
	case len(via) > maxRedirects:
		return &redirectError{text: "it redirects too often"}
	case to.Scheme != "http" && to.Scheme != "https":
		return &redirectError{text: "it redirects to a URL that is neither http nor https"}
	case last.Scheme == "https" && to.Scheme == "http":
		return &redirectError{text: "it redirects from https to http, at " + to.Host}
	case to.User != nil && (to.Host != last.Host || to.User.String() != last.User.String()):
		return &redirectError{text: "it redirects to " + to.Host + " with a login of its own"}
	case to.User == nil && to.Scheme == last.Scheme && to.Host == last.Host:
		to.User = last.User // package http keeps it for relative redirects only
	}
	return r.check(req.URL)
}
