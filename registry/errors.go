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
)

// What a registry may answer. Ask with errors.Is. The texts around them name the reference and the registry's words; an
// *Error among them has the facts that a remedy needs.
var (
	// ErrNotFound: the registry knows its repositories and says that this manifest or tag is not there. The only "gone".
	ErrNotFound = errors.New("not found")
	// ErrNoRepository: the repository itself is not there, hence nothing in it; it is an ErrNotFound too. Some registries say ErrNotFound
	// alone in this case.
	ErrNoRepository error = noRepository{}
	// ErrArchived: the registry lists the image and does not serve it until it is restored. It is not gone.
	ErrArchived = errors.New("archived")
	// ErrUndetermined: the registry does not serve the image, and we may not ask whether it is archived or gone.
	ErrUndetermined = errors.New("it is archived or gone, which is not known")
	// ErrUnauthorized: there are no credentials, or they are wrong or expired.
	ErrUnauthorized = errors.New("401 unauthorized")
	// ErrDenied: the credentials are good and may not do this.
	ErrDenied = errors.New("403 denied")
	// ErrImmutableTag: the tag holds another digest and the registry does not let it move.
	ErrImmutableTag = errors.New("immutable tag")
	// ErrInUse: the registry keeps what something else in it refers to.
	ErrInUse = errors.New("in use")
	// ErrLimit: Amazon ECR holds no more tags or images there. Waiting does not help.
	ErrLimit = errors.New("over a limit")
	// ErrQuota: the storage that the repository's owner may use is used up. Waiting does not help.
	ErrQuota = errors.New("over a quota")
	// ErrTooLarge: the registry, or most often a proxy before it, takes no request of this size.
	ErrTooLarge = errors.New("413 too large")
	// ErrManifestRefused: the registry takes no manifest of this form, such as one of OCI.
	ErrManifestRefused = errors.New("manifest refused")
	// ErrNoStorage: the registry's own disk is full.
	ErrNoStorage = errors.New("the registry has no space left")
	// ErrReadOnly: the registry takes no push from anybody now.
	ErrReadOnly = errors.New("read-only registry")
	// ErrUnsupported: the registry cannot do this for anybody.
	ErrUnsupported = errors.New("unsupported by the registry")
	// ErrRateLimited: too many requests, also after retries.
	ErrRateLimited = errors.New("429 rate limited")
	// ErrUnreachable: no answer, for reasons of DNS, network, TLS or time.
	ErrUnreachable = errors.New("unreachable")
	// ErrUnsure: a tag was to be moved, and neither the answer nor a look at it told whether it was. It comes with the error that says why.
	ErrUnsure = errors.New("whether it moved is not known")
	// ErrMismatch: the registry serves other content than it promised or was given.
	ErrMismatch = errors.New("content mismatch")
)

type noRepository struct{}

func (noRepository) Error() string { return "no such repository" }

// Is makes a repository that is gone as good as a tag that is gone.
func (noRepository) Is(target error) bool { return target == ErrNotFound }

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
		return s.newError(ExpiredCertificate, ErrUnreachable, stale)
	}
	if untrusted, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return s.newError(UntrustedCertificate, ErrUnreachable, untrusted.Err)
	}
	if errors.Is(err, errNotARegistry) {
		return s.newError(NotARegistry, errNotARegistry)
	}
	if refused, ok := errors.AsType[*addressError](err); ok {
		e := s.newError(UnnamedHost, ErrUnreachable, refused)
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
func (s *session) newError(fault Fault, causes ...error) *Error {
	var texts []string
	for _, cause := range causes {
		texts = append(texts, cause.Error())
	}
	return s.peer().newError(fault, strings.Join(texts, ": "), causes...)
}

// unreachable returns the error of a request that got no answer.
func (s *session) unreachable(err error) error {
	if broken, ok := errors.AsType[*ruleError](err); ok {
		return s.newError(broken.fault, ErrUnreachable, broken)
	}
	if text := err.Error(); strings.Contains(text, "proxyconnect") || strings.Contains(text, "Proxy Authentication Required") {
		return s.newError(ProxyRefused, ErrUnreachable, err)
	}
	return s.newError(Unreachable, ErrUnreachable, s.foreign(err))
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
