package download

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"
)

// Fault is why a text cannot be downloaded.
type Fault int

// The faults of downloads.
const (
	Unreachable Fault = iota // no connection, or it broke
	Silent                   // no answer in time
	Untrusted                // the certificate
	Status                   // the server answers with another status than 200; see Error.Status
	TooLarge
	Redirected   // to where this process may not be sent
	Address      // the host leads to a link-local address, a metadata service or several machines
	Page         // a web page in place of the file
	BadURL       // no valid URL
	PlainLogin   // a login would go over plain http
	UnknownHost  // no such name
	ProxyRefused // the proxy
)

// Error says that a text cannot be downloaded.
type Error struct {
	URL    string // without its login and secrets
	Fault  Fault
	Status int // of the answer; 0 if there was none
	Cause  error
}

// Error names the URL.
func (e *Error) Error() string { return fmt.Sprintf("%s: %v", e.URL, e.Cause) }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

var (
	errPage       = errors.New("the server sends a web page, not the file")
	errPlainLogin = errors.New("its login would go over plain http")
)

// errSilent returns the error of a server that does not answer in time.
func errSilent(after time.Duration) error { return fmt.Errorf("no answer within %s", after) }

// statusError is the error of an answer with a status that brings no text.
type statusError struct{ status int }

// Error does not repeat the words of the server.
func (e *statusError) Error() string {
	return fmt.Sprintf("%d %s", e.status, http.StatusText(e.status))
}

// sizeError says that a text is too long.
type sizeError struct{ limit int64 }

func (e *sizeError) Error() string { return fmt.Sprintf("it has more than %d bytes", e.limit) }

// redirectError says that a redirect is not followed.
type redirectError struct{ text string }

func (e *redirectError) Error() string { return e.text + ": refused" }

// addressError says that an address is not dialed.
type addressError struct {
	host, address string
	at            place
	redirected    bool
}

// Error names the host and the address.
func (e *addressError) Error() string {
	if e.redirected {
		return fmt.Sprintf("it redirects to %s (%s), which is %s: refused", e.host, e.address, e.at)
	}
	return fmt.Sprintf("%s leads to %s, which is %s: refused", e.host, e.address, e.at)
}

// faultOf returns the fault of an error of the transport.
func faultOf(err error) Fault {
	if refused, ok := errors.AsType[*addressError](err); ok {
		if refused.redirected {
			return Redirected
		}
		return Address
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "proxyconnect" {
		return ProxyRefused
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok && dns.IsNotFound {
		return UnknownHost
	}
	switch {
	case errors.As(err, new(*redirectError)):
		return Redirected
	case errors.As(err, new(*statusError)):
		return Status
	case errors.As(err, new(*sizeError)):
		return TooLarge
	case errors.As(err, new(*tls.CertificateVerificationError)):
		return Untrusted
	case errors.Is(err, errPage):
		return Page
	case errors.Is(err, errPlainLogin):
		return PlainLogin
	}
	return Unreachable
}

// withoutURL returns the cause of an error of package http, which repeats the URL.
func withoutURL(err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		return wrapped.Err
	}
	return err
}
