package engine

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/docker/cli/cli/config"
	dockercontext "github.com/docker/cli/cli/context"
	"github.com/docker/cli/cli/context/docker"
	"github.com/docker/cli/cli/context/store"
	"github.com/docker/go-connections/tlsconfig"
	"github.com/moby/moby/client"
)

// Address says where a Docker Engine is, and who said so.
type Address struct {
	Host   string // such as unix:///var/run/docker.sock
	Source string // for people: "DOCKER_HOST", "the Docker context \"colima\""
	// Context is the name of the Docker context, or "default".
	Context string
	// Chosen tells whether the user named this engine. It is false for the default engine.
	Chosen bool
	// TLS holds certificates for tcp://, used instead of those of a Docker context; nil: there are none.
	TLS *tls.Config
	// Dial replaces the way of connecting to tcp:// without TLS; nil: the usual one.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	endpoint docker.Endpoint
	fromEnv  bool // DOCKER_HOST with DOCKER_TLS_VERIFY and DOCKER_CERT_PATH
}

const (
	contextVariable = "DOCKER_CONTEXT"
	defaultContext  = "default"
)

// NoContextError says that a Docker context does not exist or cannot be read.
type NoContextError struct {
	Name, Source string
	Cause        error
}

// Error names the context, who asked for it, and the cause.
func (e *NoContextError) Error() string {
	return fmt.Sprintf("the Docker context %q, which %s names, cannot be used: %v", e.Name, e.Source, e.Cause)
}

// Unwrap returns the cause.
func (e *NoContextError) Unwrap() error { return e.Cause }

// Current returns the engine that the docker command would use: that of DOCKER_HOST, else of the context that
// DOCKER_CONTEXT names, else of the current context of Docker's configuration, else of this machine. It returns a
// *NoContextError for a context that does not exist or cannot be read.
func Current(ctx context.Context) (Address, error) {
	if host := os.Getenv(client.EnvOverrideHost); host != "" {
		return Address{
			Host: host, Source: client.EnvOverrideHost, Context: defaultContext, Chosen: true, fromEnv: true,
		}, nil
	}
	if name := os.Getenv(contextVariable); name != "" {
		return inContext(ctx, name, contextVariable)
	}
	name, err := currentContext()
	if name == "" || err != nil {
		return ofMachine(), err
	}
	return inContext(ctx, name, "config.json in "+config.Dir())
}

// InContext returns the engine of a Docker context, or a *NoContextError.
func InContext(ctx context.Context, name string) (Address, error) {
	return inContext(ctx, name, "docker://"+name)
}

// AtHost returns the engine at an address such as tcp://127.0.0.1:2375.
func AtHost(host string) Address {
	return Address{
		Host: host, Source: host, Chosen: true,
		endpoint: docker.Endpoint{EndpointMeta: docker.EndpointMeta{Host: host}},
	}
}

func ofMachine() Address {
	a := AtHost(client.DefaultDockerHost)
	a.Source, a.Context, a.Chosen = "the Docker Engine of this machine", defaultContext, false
	return a
}

// currentContext returns the context that "docker context use" chose, or "". It returns an error if Docker's
// configuration cannot be read.
func currentContext() (string, error) {
	file, err := config.Load(config.Dir())
	if err != nil {
		return "", fmt.Errorf("the current Docker context: %w", err)
	}
	if file.CurrentContext == defaultContext {
		return "", nil
	}
	return file.CurrentContext, nil
}

func inContext(ctx context.Context, name, source string) (Address, error) {
	if name == defaultContext {
		return ofMachine(), nil
	}
	fail := func(err error) (Address, error) {
		return Address{}, &NoContextError{Name: name, Source: source, Cause: err}
	}
	if ctx.Err() != nil {
		return Address{}, context.Cause(ctx)
	}
	contexts := store.New(config.ContextStoreDir(), store.NewConfig(
		func() any { return &map[string]any{} },
		store.EndpointTypeGetter(docker.DockerEndpoint, func() any { return &docker.EndpointMeta{} }),
	))
	metadata, err := contexts.GetMetadata(name)
	if err != nil {
		return fail(err)
	}
	meta, err := docker.EndpointFromContext(metadata)
	if err != nil {
		return fail(err)
	}
	tls, err := dockercontext.LoadTLSData(contexts, name, docker.DockerEndpoint)
	if err != nil {
		return fail(err)
	}
	return Address{
		Host: meta.Host, Source: fmt.Sprintf("the Docker context %q", name), Context: name, Chosen: true,
		endpoint: docker.Endpoint{EndpointMeta: meta, TLSData: tls},
	}, nil
}

// options returns the options of the Docker client that connects to the engine.
func (a Address) options() ([]client.Opt, error) {
	if a.fromEnv && hasCertificates() && strings.HasPrefix(a.Host, "tcp://") {
		return certificateOptions(a.Host)
	}
	if a.TLS != nil {
		return tlsOptions(a.Host, a.TLS), nil
	}
	endpoint := a.endpoint
	endpoint.Host = a.Host
	options, err := endpoint.ClientOpts()
	if a.Dial != nil && a.endpoint.TLSData == nil {
		options = append(options, client.WithDialContext(a.Dial))
	}
	return options, err
}

// hasCertificates reports whether the environment asks for TLS to DOCKER_HOST.
func hasCertificates() bool {
	return os.Getenv(client.EnvOverrideCertPath) != "" || os.Getenv(client.EnvTLSVerify) != ""
}

// certificateOptions returns the options of a client with the certificates of DOCKER_CERT_PATH, or of the folder of
// Docker's configuration, as the docker command takes them. Without DOCKER_TLS_VERIFY it accepts any certificate of the
// engine.
func certificateOptions(host string) ([]client.Opt, error) {
	folder := cmp.Or(os.Getenv(client.EnvOverrideCertPath), config.Dir())
	if err := checkCertificates(folder); err != nil {
		return nil, err
	}
	settings, err := tlsconfig.Client(tlsconfig.Options{
		CAFile: filepath.Join(folder, "ca.pem"), CertFile: filepath.Join(folder, "cert.pem"),
		KeyFile: filepath.Join(folder, "key.pem"), InsecureSkipVerify: os.Getenv(client.EnvTLSVerify) == "",
	})
	if err != nil {
		return nil, err
	}
	return append(tlsOptions(host, settings), client.WithAPIVersionFromEnv()), nil
}

func tlsOptions(host string, settings *tls.Config) []client.Opt {
	transport := &http.Transport{TLSClientConfig: settings}
	return []client.Opt{
		client.WithHTTPClient(&http.Client{Transport: transport, CheckRedirect: client.CheckRedirect}),
		client.WithHost(host),
	}
}

// Plaintext returns the host and port that a client of this engine would connect to without TLS, or with TLS that it
// does not verify. It returns "" if the client connects to a socket, by ssh, or with TLS that it verifies.
func (a Address) Plaintext() string {
	hostPort, ok := strings.CutPrefix(a.Host, "tcp://")
	isVerified := a.TLS != nil || a.endpoint.TLSData != nil && !a.endpoint.SkipTLSVerify ||
		a.fromEnv && os.Getenv(client.EnvTLSVerify) != ""
	if !ok || isVerified {
		return ""
	}
	return hostPort
}
