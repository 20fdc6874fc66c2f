package registry

import (
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

// explainError turns an error of the HTTP client into one of this package. It leaves URLs out, since they may be
// signed. It returns the cause of ctx when that has ended.
func (p peer) explainError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return explainEnd(ctx, err)
	}
	if lookup, ok := errors.AsType[keychainError](err); ok {
		return lookup.error
	}
	if stale, ok := errors.AsType[x509.CertificateInvalidError](err); ok && stale.Reason == x509.Expired {
		return p.newErrorOf(fault.ExpiredCertificate, fault.ErrUnreachable, stale)
	}
	if untrusted, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return p.newErrorOf(fault.UntrustedCertificate, fault.ErrUnreachable, untrusted.Err)
	}
	if errors.Is(err, errNotARegistry) {
		return p.newErrorOf(fault.NotARegistry, errNotARegistry)
	}
	if refused, ok := errors.AsType[*addressError](err); ok {
		e := p.newErrorOf(fault.UnnamedHost, fault.ErrUnreachable, refused)
		e.Host = refused.host
		return e
	}
	if answer, ok := errors.AsType[*transport.Error](err); ok {
		return p.explainAnswer(answer)
	}
	if sent, ok := errors.AsType[*url.Error](err); ok {
		return p.newUnreachable(sent.Err)
	}
	return fmt.Errorf("logging in to %s: %s", p.host, p.quote(firstLine(err)))
}

// newErrorOf returns an error whose text is that of the causes.
func (p peer) newErrorOf(kind fault.Kind, causes ...error) *fault.Error {
	var texts []string
	for _, cause := range causes {
		texts = append(texts, cause.Error())
	}
	return p.newError(kind, strings.Join(texts, ": "), causes...)
}

// newUnreachable returns the error of a request that got no answer.
func (p peer) newUnreachable(err error) error {
	if broken, ok := errors.AsType[*ruleError](err); ok {
		return p.newErrorOf(broken.kind, fault.ErrUnreachable, broken)
	}
	text := err.Error()
	if strings.Contains(text, "proxyconnect") || strings.Contains(text, "Proxy Authentication Required") {
		return p.newErrorOf(fault.ProxyRefused, fault.ErrUnreachable, err)
	}
	if errors.Is(err, http.ErrSchemeMismatch) {
		return p.newErrorOf(fault.PlainHTTP, fault.ErrUnreachable, err)
	}
	quoted := &foreignError{err, p.quote(signedURL.ReplaceAllString(text, "$1"))}
	return p.newErrorOf(fault.Unreachable, fault.ErrUnreachable, quoted)
}

// checkPing returns errNotARegistry for a 404, which here is about the host or its token server and never about an
// image. It returns any other error as it is.
func (p peer) checkPing(err error) error {
	if answer, ok := errors.AsType[*transport.Error](err); ok && errors.Is(p.explainAnswer(answer), fault.ErrNotFound) {
		return errNotARegistry
	}
	return err
}

// foreignError is an error whose text holds words of a registry's, such as a header that cannot be read.
type foreignError struct {
	error
	text string
}

// Error returns the beginning of the text on one line, without the queries of URLs.
func (e *foreignError) Error() string { return e.text }

// Unwrap returns the whole error, for errors.Is.
func (e *foreignError) Unwrap() error { return e.error }

// firstLine leaves out the answer of a token server, which go-containerregistry appends.
func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}
