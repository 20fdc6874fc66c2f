package registry

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// errNotARegistry is a 404 that says nothing about an image: some web server's or proxy's.
var errNotARegistry = errors.New("404 that is no registry's answer")

// checkPage returns errNotARegistry for a web server's 404, and else err: a registry's 404 is empty or JSON.
func checkPage(r response, err error) error {
	body := bytes.TrimSpace(r.body)
	if r.status == http.StatusNotFound && len(body) > 0 && body[0] != '{' {
		return errNotARegistry
	}
	return err
}

// explain turns an error of the HTTP client into one of this package. URLs are left out: they may be signed.
func (s *session) explain(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return explainEnd(ctx, err)
	}
	if lookup, ok := errors.AsType[lookupError](err); ok {
		return lookup.error
	}
	if stale, ok := errors.AsType[x509.CertificateInvalidError](err); ok && stale.Reason == x509.Expired {
		return s.newError(fault.ExpiredCertificate, fault.ErrUnreachable, stale)
	}
	if untrusted, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return s.newError(fault.UntrustedCertificate, fault.ErrUnreachable, untrusted.Err)
	}
	if errors.Is(err, errNotARegistry) {
		return s.newError(fault.NotARegistry, errNotARegistry)
	}
	if refused, ok := errors.AsType[*addressError](err); ok {
		e := s.newError(fault.UnnamedHost, fault.ErrUnreachable, refused)
		e.Host = refused.host
		return e
	}
	if answered, ok := errors.AsType[*transport.Error](err); ok {
		return s.explainAnswer(answered)
	}
	if sent, ok := errors.AsType[*url.Error](err); ok {
		return s.unreachable(sent.Err)
	}
	return fmt.Errorf("logging in to %s: %s", s.login.host, s.quote(firstLine(err)))
}

// newError returns an error with what is known of the session. Its text is that of the causes.
func (s *session) newError(kind fault.Kind, causes ...error) *fault.Error {
	var texts []string
	for _, cause := range causes {
		texts = append(texts, cause.Error())
	}
	return s.peer().newError(kind, strings.Join(texts, ": "), causes...)
}

// unreachable returns the error of a request that got no answer.
func (s *session) unreachable(err error) error {
	if broken, ok := errors.AsType[*ruleError](err); ok {
		return s.newError(broken.kind, fault.ErrUnreachable, broken)
	}
	if text := err.Error(); strings.Contains(text, "proxyconnect") || strings.Contains(text, "Proxy Authentication Required") {
		return s.newError(fault.ProxyRefused, fault.ErrUnreachable, err)
	}
	return s.newError(fault.Unreachable, fault.ErrUnreachable, s.foreign(err))
}

// foreignError is an error whose text holds words of a registry's, such as a header that cannot be read.
type foreignError struct {
	error
	text string
}

// Error is the beginning of the text on one line, without the queries of URLs.
func (e *foreignError) Error() string { return e.text }

// Unwrap is for errors.Is.
func (e *foreignError) Unwrap() error { return e.error }

func (s *session) foreign(err error) error {
	return &foreignError{err, s.quote(signed.ReplaceAllString(err.Error(), "$1"))}
}

// firstLine leaves out the answer of a token server, which go-containerregistry appends.
func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}
