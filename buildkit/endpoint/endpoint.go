// Package endpoint parses the endpoints of builders and connects to BuildKit daemons.
//
//	Parse      reads an endpoint and says what kind of builder it names  (endpoint.go)
//	Endpoint   dials a BuildKit daemon                                   (dial.go, helper.go)
//	TLS        holds certificates for tcp://                             (tls.go)
//	TLSError   says why a TLS connection was not made                    (refusal.go)
//
// Package engine connects to Docker Engines, and package daemon to the embedded daemon.
package endpoint

import (
	"cmp"
	"fmt"
	"net"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/login"
)

// Kind is the kind of builder at an endpoint.
type Kind int

// The kinds of builders.
const (
	Daemon   Kind = iota + 1 // a BuildKit daemon
	Engine                   // a Docker Engine
	Embedded                 // the daemon that the plugin ships
)

// Endpoint says where a builder listens. Only Parse makes valid endpoints.
type Endpoint struct {
	text   string
	kind   Kind
	scheme string
	rest   string // behind ://
}

// Fault says what is wrong with the text of an endpoint.
type Fault int

// The faults of endpoints.
const (
	NoURL        Fault = iota // there is no scheme, or nothing behind it
	Login                     // there is a user or a password
	Relative                  // the path of a unix:// endpoint is relative
	NoPort                    // a tcp:// endpoint has no port
	Scheme                    // the scheme is not known
	NotEmpty                  // something stands behind local://
	HelperSyntax              // the program that would connect does not take what stands behind ://
)

// SyntaxError says that a text is not a valid endpoint.
type SyntaxError struct {
	Address string // the text, without its login
	Fault   Fault
	Detail  string // what is wrong, for HelperSyntax
}

// Error quotes the text and says what is wrong with it.
func (e *SyntaxError) Error() string {
	switch e.Fault {
	case Login:
		return fmt.Sprintf("%q: an endpoint has no user and no password: BuildKit's protocol would not send them",
			e.Address)
	case Relative:
		return fmt.Sprintf("%q: a unix:// endpoint has an absolute path", e.Address)
	case NoPort:
		return fmt.Sprintf("%q: a tcp:// endpoint has a port", e.Address)
	case Scheme:
		return fmt.Sprintf("%q: the scheme %s:// is not known", e.Address, e.Scheme())
	case NotEmpty:
		return fmt.Sprintf("%q: local:// is the daemon that the plugin starts itself, and has no address", e.Address)
	case HelperSyntax:
		return fmt.Sprintf("%q: %s", e.Address, e.Detail)
	}
	return fmt.Sprintf("%q is not an endpoint", e.Address)
}

// Scheme returns what stands before :// in the text.
func (e *SyntaxError) Scheme() string {
	scheme, _, _ := strings.Cut(e.Address, "://")
	return scheme
}

// enginePorts are the ports of Docker Engines without and with TLS.
var enginePorts = []string{"2375", "2376"}

// engineSockets are the names of the sockets and pipes on which Docker Engines listen. Docker Desktop, colima,
// OrbStack, Rancher Desktop and Podman use the first one too.
var engineSockets = []string{
	"docker.sock", "docker.raw.sock", "docker-cli.sock", "podman.sock", "podman-machine-default-api.sock",
	"docker_engine", "dockerDesktopLinuxEngine", "podman-machine-default",
}

// Parse reads the text of an endpoint:
//
//	unix:///path tcp://host:port npipe:////./pipe/name   a BuildKit daemon; a Docker Engine if the name or port is
//	                                                     one of Docker's
//	docker-container:// podman-container://              a BuildKit daemon behind the program of that name
//	nerdctl-container:// kube-pod:// ssh://              the same
//	docker://[context]                                   a Docker Engine
//	local://                                             the embedded daemon
//
// It returns a *SyntaxError for anything else. It reads no file and dials nothing.
func Parse(address string) (Endpoint, error) {
	scheme, rest, ok := strings.Cut(address, "://")
	e := Endpoint{text: address, scheme: scheme, rest: rest, kind: Daemon}
	if !ok {
		e.scheme = ""
	}
	if fault := e.check(); fault != nil {
		fault.Address, _ = login.Cut(address)
		return Endpoint{}, fault
	}
	switch {
	case scheme == "local":
		e.kind = Embedded
	case scheme == "docker", e.hasEngineName():
		e.kind = Engine
	}
	return e, nil
}

// check returns what is wrong with an endpoint, or nil.
func (e Endpoint) check() *SyntaxError {
	if _, hasLogin := login.Cut(e.text); hasLogin && e.scheme != "ssh" {
		return &SyntaxError{Fault: Login}
	}
	switch e.scheme {
	case "docker":
		return nil
	case "local":
		return faultIf(e.rest != "", NotEmpty)
	case "unix":
		return cmp.Or(faultIf(e.rest == "", NoURL), faultIf(!strings.HasPrefix(e.rest, "/"), Relative))
	case "tcp":
		return cmp.Or(faultIf(e.rest == "", NoURL), faultIf(!strings.Contains(e.rest, ":"), NoPort))
	case "npipe":
		return faultIf(e.rest == "", NoURL)
	case "":
		return &SyntaxError{Fault: NoURL}
	}
	if _, ok := programs[e.scheme]; !ok {
		return &SyntaxError{Fault: Scheme}
	}
	return e.checkHelper()
}

func faultIf(wrong bool, fault Fault) *SyntaxError {
	if !wrong {
		return nil
	}
	return &SyntaxError{Fault: fault}
}

// checkHelper returns what is wrong with an endpoint that a program connects to, or nil.
func (e Endpoint) checkHelper() *SyntaxError {
	u, err := url.Parse(e.text)
	if err != nil {
		return &SyntaxError{Fault: NoURL}
	}
	if _, hasPassword := u.User.Password(); hasPassword {
		return &SyntaxError{Fault: HelperSyntax, Detail: "an endpoint has no password: ssh uses its own keys and agent"}
	}
	if _, err := connectionHelper(u); err != nil {
		return &SyntaxError{Fault: HelperSyntax, Detail: err.Error()}
	}
	return nil
}

// hasEngineName reports whether Docker Engines listen on a socket of this name or on this port.
func (e Endpoint) hasEngineName() bool {
	switch e.scheme {
	case "unix", "npipe":
		return slices.Contains(engineSockets, path.Base(strings.ReplaceAll(e.rest, `\`, "/")))
	case "tcp":
		_, port, err := net.SplitHostPort(e.rest)
		return err == nil && slices.Contains(enginePorts, port)
	}
	return false
}

// String returns the text that Parse read.
func (e Endpoint) String() string { return e.text }

// Kind returns the kind of builder at the endpoint.
func (e Endpoint) Kind() Kind { return e.kind }

// DockerContext returns the Docker context of a docker:// endpoint, "" for the current one. ok is false for an endpoint
// with another scheme.
func (e Endpoint) DockerContext() (name string, ok bool) {
	return e.rest, e.scheme == "docker"
}

// SocketPath returns the path of a unix:// endpoint, or "".
func (e Endpoint) SocketPath() string {
	if e.scheme == "unix" {
		return e.rest
	}
	return ""
}

// IsTCP reports whether the endpoint begins with tcp://.
func (e Endpoint) IsTCP() bool { return e.scheme == "tcp" }
