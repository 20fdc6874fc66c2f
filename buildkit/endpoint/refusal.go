package endpoint

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
)

// Refusal says why a TLS connection was not made.
type Refusal int

// The reasons.
const (
	OtherRefusal       Refusal = iota
	Expired                    // the daemon's certificate is out of date, or not valid yet
	UnknownAuthority           // nobody that the client trusts signed the daemon's certificate
	WrongName                  // the daemon's certificate is for another name
	NoTLS                      // the daemon answers, and speaks no TLS
	NeedsCertificate           // the daemon asks for a client certificate, and got none
	CertificateRefused         // the daemon refuses the client's certificate
	ClientExpired              // the client's certificate is out of date for the daemon
	UnknownClient              // nobody that the daemon trusts signed the client's certificate
	OldVersion                 // the daemon speaks older versions of TLS only
	NothingInCommon            // the daemon wants ciphers that the client does not have
	NoGRPC                     // something that speaks TLS and no gRPC listens there
	BrokenDaemon               // the daemon failed during the handshake
)

// TLSError says why a TLS connection to a daemon was not made.
type TLSError struct {
	Endpoint string
	Refusal  Refusal
	Cause    error
}

// refusalTexts say what a daemon does; see Error for the other refusals.
var refusalTexts = map[Refusal]string{
	NoTLS:              "the daemon there speaks no TLS",
	NeedsCertificate:   "the daemon there asks for a client certificate, and none was given",
	CertificateRefused: "the daemon there refuses the client certificate",
	ClientExpired:      "the daemon there refuses the client certificate, which is expired",
	UnknownClient:      "the daemon there refuses the client certificate, whose authority it does not know",
	OldVersion:         "the daemon there speaks no TLS of version 1.2 or later",
	NothingInCommon:    "the daemon there found no way to agree on ciphers, or asks for a client certificate",
	NoGRPC:             "what listens there is no BuildKit daemon: it speaks TLS, but no gRPC",
	BrokenDaemon:       "the daemon there failed while it made the connection",
}

// Error names the endpoint and the cause.
func (e *TLSError) Error() string {
	text := refusalTexts[e.Refusal]
	switch {
	case text == "" && isAlert(e.Cause):
		text = "the daemon there ended the TLS connection"
	case text == "":
		text = "the certificate of the daemon was not accepted"
	case e.Refusal == NoTLS || e.Refusal == NeedsCertificate: // the cause says the same
		return e.Endpoint + ": " + text
	}
	return fmt.Sprintf("%s: %s: %v", e.Endpoint, text, e.Cause)
}

// Unwrap returns the cause.
func (e *TLSError) Unwrap() error { return e.Cause }

// isRefusal reports whether err, of a TLS handshake, says that one side refused the other. It reports false if the
// connection ended or hung.
func isRefusal(err error) bool {
	return isAlert(err) || errors.Is(err, errNoProtocol) || errors.As(err, new(tls.RecordHeaderError)) ||
		errors.As(err, new(*tls.CertificateVerificationError))
}

// refusalOf classifies an error of which isRefusal reports true.
func refusalOf(err error, hasCertificate bool) Refusal {
	if errors.Is(err, errNoProtocol) {
		return NoGRPC
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return NoTLS
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return UnknownAuthority
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return WrongName
	}
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok && invalid.Reason == x509.Expired {
		return Expired
	}
	refusal := alertRefusal(err)
	switch refusal {
	case CertificateRefused, ClientExpired, UnknownClient, NeedsCertificate:
		if !hasCertificate {
			return NeedsCertificate
		}
		if refusal == NeedsCertificate {
			return CertificateRefused // it is from none of the authorities that the daemon names, so it was not sent
		}
	}
	return refusal
}

// alertRefusals are the refusals that alerts tell (https://www.rfc-editor.org/rfc/rfc8446#section-6.2).
var alertRefusals = map[tls.AlertError]Refusal{
	40:  NothingInCommon,    // handshake_failure
	42:  CertificateRefused, // bad_certificate
	43:  CertificateRefused, // unsupported_certificate
	44:  CertificateRefused, // certificate_revoked
	45:  ClientExpired,      // certificate_expired
	46:  CertificateRefused, // certificate_unknown
	48:  UnknownClient,      // unknown_ca
	49:  CertificateRefused, // access_denied
	70:  OldVersion,         // protocol_version
	71:  NothingInCommon,    // insufficient_security
	80:  BrokenDaemon,       // internal_error
	112: WrongName,          // unrecognized_name
	116: NeedsCertificate,   // certificate_required
	120: NoGRPC,             // no_application_protocol
}

// isAlert reports whether err is an alert of the other side. Package crypto/tls wraps them in this way only.
func isAlert(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "remote error"
}

// alertRefusal returns the refusal that the alert of the other side tells, or OtherRefusal.
//
// Package crypto/tls has the number of the alert in a type of its own, whose text is that of a tls.AlertError.
func alertRefusal(err error) Refusal {
	op, ok := errors.AsType[*net.OpError](err)
	if !ok || !isAlert(err) {
		return OtherRefusal
	}
	for alert, refusal := range alertRefusals {
		if op.Err.Error() == alert.Error() {
			return refusal
		}
	}
	return OtherRefusal
}
