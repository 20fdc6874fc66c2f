package download

import (
	"net/http"
	"net/netip"
	"net/url"
	"slices"
)

// Judge returns an error unless the URL may be asked for while its host is at one address, and may then redirect to a
// host:port at another address. No redirect is judged if to is "".
func Judge(first, firstAddr, to, addr string) error {
	u, err := url.Parse(first)
	if err != nil {
		return err
	}
	r := newRoute(u)
	at := netip.MustParseAddr(firstAddr)
	if err := r.judge(hostPort(u), placeOf(at), firstAddr); err != nil || to == "" {
		return err
	}
	return r.judge(to, placeOf(netip.MustParseAddr(addr)), addr)
}

// CheckRedirect returns an error unless a redirect may be followed, which is the given one in a row.
func CheckRedirect(from, to string, hops int) error {
	request := func(location string) *http.Request {
		u, err := url.Parse(location)
		if err != nil {
			panic(err)
		}
		return &http.Request{URL: u, Header: http.Header{}}
	}
	first := request(from)
	return newRoute(first.URL).checkRedirect(request(to), slices.Repeat([]*http.Request{first}, hops))
}
