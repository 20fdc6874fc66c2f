package buildkit

import (
	"fmt"
	"net/netip"
	"net/url"
	"strings"

	"github.com/moby/buildkit/util/gitutil"
)

// ReachError is a source on this machine or of a metadata service that the Dockerfile asked for and the program does
// not name.
type ReachError struct {
	Location string // of the source, without a login
	Host     string // "host:port"
	Address  netip.Addr
	Image    bool // a base image, else a file or a git repository
	// Cause is why the addresses of the host are not known; nil: Address is one of them.
	Cause error
}

// Error names the location, the host and its address.
func (e *ReachError) Error() string {
	if e.Cause != nil {
		return fmt.Sprintf("%s: it was not fetched: %s may be this machine or a metadata service, because its "+
			"addresses could not be looked up: %v", e.Location, e.Host, e.Cause)
	}
	what := "this machine itself"
	if nearnessOf(e.Address) == cloudService {
		what = "a link-local address, where clouds serve credentials"
	}
	return fmt.Sprintf("%s: it was not fetched: %s is %s (%s), and the Dockerfile asks for it, not the program",
		e.Location, e.Host, what, e.Address)
}

// Unwrap returns the cause.
func (e *ReachError) Unwrap() error { return e.Cause }

// NamedLocation returns the location as a named context takes it. That is the URL of a git repository in the form
// user@host:path, and otherwise Location.
func (e *ReachError) NamedLocation() string {
	if strings.Contains(e.Location, "://") {
		return e.Location
	}
	u, err := gitutil.ParseURL(e.Location)
	if err != nil {
		return e.Location
	}
	plain := url.URL{Scheme: u.Scheme, User: u.User, Host: u.Host, Path: "/" + strings.TrimLeft(u.Path, "/")}
	return plain.String()
}
