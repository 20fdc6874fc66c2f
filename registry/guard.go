package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// maxRedirects is how often a request may be sent elsewhere. A registry needs one redirect, to where it stores blobs.
const maxRedirects = 5

// RoundTrip implements http.RoundTripper. It applies the rules for all that a registry makes us do, redirects included.
// They stand here, and not in an http.Client, because the library has clients of its own.
func (r *route) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := r.check(req); err != nil {
		if req.Body != nil {
			_ = req.Body.Close()
		}
		return nil, err
	}
	if req.Response != nil && req.Header.Get("Referer") != "" { // its query may be a signature
		req = req.Clone(req.Context())
		req.Header.Del("Referer")
	}
	resp, err := r.send(req)
	if err != nil {
		return nil, err
	}
	resp.Body = &boundedBody{ReadCloser: resp.Body, left: limitOf(req.Context())}
	return resp, nil
}

// answerLimit is the key of a context whose answers may be longer than maxAnswer, in bytes: those that are blobs.
type answerLimit struct{}

// limitOf returns how many bytes an answer may have.
func limitOf(ctx context.Context) int64 {
	if limit, ok := ctx.Value(answerLimit{}).(int64); ok {
		return limit
	}
	return maxAnswer + 1
}

// ruleError is the error of a request that breaks a rule. A registry made us want to send it.
type ruleError struct {
	text string
	kind fault.Kind
}

// ruleErrorf returns a *ruleError without a kind.
func ruleErrorf(format string, args ...any) error {
	return &ruleError{text: fmt.Sprintf(format, args...)}
}

// Error says which request is refused.
func (e *ruleError) Error() string { return e.text }

// NonRetriable tells Azure's library not to try again.
func (e *ruleError) NonRetriable() {}

// check returns an error if a request breaks a rule. Rules that need a look at the network are those of dial.
func (r *route) check(req *http.Request) error {
	to := req.URL
	switch {
	case to.Scheme != "https" && to.Scheme != "http":
		return ruleErrorf("%s sends us to a %q URL: refused", r.host, to.Scheme)
	case to.User != nil:
		return ruleErrorf("%s sends us to %s with a login of its own: refused", r.host, to.Host)
	case to.Scheme == "http" && !r.allowsHTTP(req):
		text := fmt.Sprintf("plain http to %s refused: it is used for loopback hosts only", to.Host)
		return &ruleError{text: text, kind: fault.PlainHTTPRefused}
	}
	if at, _ := placeOfHost(to.Host); !r.mayDial(to.Host, at, carriesLogin(req) && !r.owns(to.Host)) {
		return &addressError{
			registry: r.host,
			host:     withoutDefaultPort(to.Host),
			address:  withoutPort(to.Host),
			at:       at,
			login:    at == private,
		}
	}
	return r.checkRedirect(req)
}

// checkRedirect returns an error for one redirect too many, and for one that would send elsewhere what we wrote to one
// host.
func (r *route) checkRedirect(req *http.Request) error {
	if req.Response == nil || req.Response.Request == nil {
		return nil
	}
	if from := req.Response.Request.URL; hasBody(req) && from.Host != req.URL.Host {
		return ruleErrorf("%s sends what we wrote to it on to %s: refused", from.Host, req.URL.Host)
	}
	hops := 0
	for at := req; at.Response != nil && at.Response.Request != nil; at = at.Response.Request {
		if hops++; hops > maxRedirects {
			return ruleErrorf("more than %d redirects", maxRedirects)
		}
	}
	return nil
}

// allowsHTTP reports whether a request may go over plain HTTP. It may go to this machine. If the user allows it for the
// registry, it may go there and to the token server that the registry names. Without a login it may go to another host
// for which the user allows it.
func (r *route) allowsHTTP(req *http.Request) bool {
	to, login := req.URL.Host, carriesLogin(req)
	realm := r.insecure && req.Response == nil
	switch {
	case r.owns(to):
		return r.insecure || isLoopback(to)
	case isLoopback(to):
		return !login || realm || r.placeOfRegistry() == loopback
	case login:
		return realm
	}
	return realm || r.namedHosts[fault.CanonicalHost(withoutDefaultPort(to))]
}

// carriesLogin reports whether a request holds a credential: in a header, or in a form that asks for a token.
func carriesLogin(req *http.Request) bool {
	return req.Header.Get("Authorization") != "" || hasBody(req)
}

// hasBody reports whether a request sends content.
func hasBody(req *http.Request) bool { return req.Body != nil && req.Body != http.NoBody }

// boundedBody ends a response that is longer than any that a registry has reason to send.
type boundedBody struct {
	io.ReadCloser
	left int64
}

var errLongAnswer = errors.New("an answer of more than 8 MiB")

// Read implements io.Reader.
func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errLongAnswer
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}
