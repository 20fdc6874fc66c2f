package registry

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/file"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// withCA returns a transport that also trusts the authorities in the link's file. It returns an *Error when that file
// cannot be used.
func withCA(ctx context.Context, transport http.RoundTripper, link Login) (http.RoundTripper, error) {
	if link.CAFile == "" {
		return transport, nil
	}
	base, ok := transport.(*http.Transport)
	if !ok {
		return nil, fmt.Errorf("the CA file %s of %s needs an http.Transport, not %T",
			link.CAFile, link.Host(), transport)
	}
	certificates, err := file.Project(link.Project).ReadNamed(ctx, link.CAFile, file.LimitText)
	if err != nil {
		kind := fault.CAFile
		if errors.As(err, new(*file.LinkError)) {
			kind = fault.CAFileLink
		}
		return nil, fault.New(kind, fmt.Sprintf("the CA file of %s: %v", link.Host(), err), err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool() // a machine without authorities of its own
	}
	if !pool.AppendCertsFromPEM(certificates) {
		text := fmt.Sprintf("the CA file %s of %s holds no PEM certificate", link.CAFile, link.Host())
		return nil, fault.New(fault.CAFile, text)
	}
	own := base.Clone()
	if own.TLSClientConfig == nil {
		own.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	own.TLSClientConfig.RootCAs = pool
	return own, nil
}

// challenges are the statuses of answers that a login may change. Some registries let everybody read, and refuse a
// write with 403.
var challenges = []int{http.StatusUnauthorized, http.StatusForbidden}

// challengeWatch notes in a login that the registry wants one.
type challengeWatch struct {
	next  http.RoundTripper
	login *lazyAuth
}

// RoundTrip implements http.RoundTripper.
func (w challengeWatch) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := w.next.RoundTrip(req)
	if err == nil && slices.Contains(challenges, resp.StatusCode) {
		w.login.isChallenged.Store(true)
	}
	return resp, err
}
