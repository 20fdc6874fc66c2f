package registry

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
)

// plainHTTPGuard refuses unencrypted requests to any host but this machine, and one of which the user said so, before anything is dialed.
// go-containerregistry would also use http for private networks and for *.localhost, with the password in the clear.
type plainHTTPGuard struct {
	next     http.RoundTripper
	host     string
	insecure bool // plain http is fine for host
}

// RoundTrip implements http.RoundTripper.
func (g plainHTTPGuard) RoundTrip(req *http.Request) (*http.Response, error) {
	asked := g.insecure && canonicalHost(req.URL.Host) == g.host
	if req.URL.Scheme != "https" && !isLoopback(req.URL.Host) && !asked {
		return nil, fmt.Errorf("plain http to %s refused: it is used for loopback hosts only; serve the registry over https", req.URL.Host)
	}
	return g.next.RoundTrip(req)
}

// trusting is a transport that also trusts the authorities in the link's file.
func trusting(transport http.RoundTripper, link Login) (http.RoundTripper, error) {
	if link.CAFile == "" {
		return transport, nil
	}
	base, is := transport.(*http.Transport)
	if !is {
		return nil, fmt.Errorf("the CA file %s of %s needs an http.Transport, not %T", link.CAFile, link.Host(), transport)
	}
	certificates, err := os.ReadFile(link.CAFile)
	if err != nil {
		return nil, fmt.Errorf("the CA file of %s: %w; correct it in registries", link.Host(), err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool() // a machine without authorities of its own
	}
	if !pool.AppendCertsFromPEM(certificates) {
		return nil, fmt.Errorf("the CA file %s of %s holds no PEM certificate; correct it in registries", link.CAFile, link.Host())
	}
	own := base.Clone()
	if own.TLSClientConfig == nil {
		own.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	own.TLSClientConfig.RootCAs = pool
	return own, nil
}

// challenges are the answers to which logging in may be the cure. Some registries let everybody read and refuse a write with 403.
var challenges = []int{http.StatusUnauthorized, http.StatusForbidden}

// challengeWatch tells a login that the registry wants one.
type challengeWatch struct {
	next  http.RoundTripper
	login *lateLogin
}

// RoundTrip implements http.RoundTripper.
func (w challengeWatch) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := w.next.RoundTrip(req)
	if err == nil && slices.Contains(challenges, resp.StatusCode) {
		w.login.challenged.Store(true)
	}
	return resp, err
}

// checkRedirect keeps a registry from sending us to services that only this machine reaches, such as a cloud's metadata.
func checkRedirect(req *http.Request, via []*http.Request) error {
	if len(via) >= 10 {
		return errors.New("more than 10 redirects")
	}
	if isInternal(req.URL.Host) && !isLoopback(via[0].URL.Host) {
		return fmt.Errorf("redirect from %s to %s refused: only this machine answers there", via[0].URL.Host, req.URL.Host)
	}
	return nil
}
