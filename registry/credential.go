package registry

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// Credential answers for exactly one host. The zero Credential is anonymous. However it is printed, it prints as
// [credential].
type Credential struct {
	Username string
	Password string
	// IdentityToken is what docker login stores for registries with OAuth; it is exchanged for access tokens and comes
	// instead of a password.
	IdentityToken string
}

// Anonymous reports whether there is nothing to log in with.
func (c Credential) Anonymous() bool { return c == Credential{} }

// redact returns foreign text without the credential, which a registry may repeat.
func (c Credential) redact(text string) string {
	basic := base64.StdEncoding.EncodeToString([]byte(c.Username + ":" + c.Password))
	for _, secret := range []string{c.Password, c.IdentityToken, basic} {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, mask)
		}
	}
	return text
}

// Login is one entry of the user's list of registries. It prints as [login].
type Login struct {
	// Address is the registry in any form docker takes: "ghcr.io", "https://index.docker.io/v1/", with a path behind
	// it. Only its host counts.
	Address  string
	Username string
	Password string
	// CAFile is a file with the PEM certificates of the authorities that sign for the registry, besides those that this
	// machine knows.
	CAFile string
	// Project is the folder in which links to the CAFile have to stay; "" is none.
	Project string
	// Insecure speaks plain http with the registry, password included. Loopback hosts need no such permission.
	Insecure bool
}

// Host returns the canonical host of the address, which Lookup compares.
func (l Login) Host() string { return fault.CanonicalHost(l.Address) }

// Neither type prints its secrets in any of the ways by which values reach logs, errors and state. fmt asks Format for
// every verb, %#v included.
const (
	mask      = "[credential]"
	loginMask = "[login]"
)

// Format implements fmt.Formatter for every verb.
func (c Credential) Format(f fmt.State, _ rune) { redact(f, mask) }

// String returns [credential].
func (c Credential) String() string { return mask }

// GoString returns [credential].
func (c Credential) GoString() string { return mask }

// LogValue returns [credential].
func (c Credential) LogValue() slog.Value { return slog.StringValue(mask) }

// MarshalJSON returns "[credential]".
func (c Credential) MarshalJSON() ([]byte, error) { return json.Marshal(mask) }

// Format implements fmt.Formatter for every verb.
func (l Login) Format(f fmt.State, _ rune) { redact(f, loginMask) }

// String returns [login].
func (l Login) String() string { return loginMask }

// GoString returns [login].
func (l Login) GoString() string { return loginMask }

// LogValue returns [login].
func (l Login) LogValue() slog.Value { return slog.StringValue(loginMask) }

// MarshalJSON returns "[login]".
func (l Login) MarshalJSON() ([]byte, error) { return json.Marshal(loginMask) }

// redact writes text in place of a value. It ignores errors, as fmt does here.
func redact(f fmt.State, text string) { _, _ = io.WriteString(f, text) }
