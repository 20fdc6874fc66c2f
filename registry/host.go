package registry

import (
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// dockerHubKey is what docker's own files and helpers call Docker Hub.
const dockerHubKey = "https://index.docker.io/v1/"

// Host returns the host of a registry's address, in any form docker takes: lower case, with its port if there is one.
func Host(address string) string { return fault.CanonicalHost(address) }

// isLoopback reports whether host, with or without port, is this machine. It does not ask DNS. BuildKit has the same
// rule, so that both of us speak plain http to a registry, or neither does.
func isLoopback(host string) bool {
	hostname := (&url.URL{Host: host}).Hostname()
	if hostname == "localhost" {
		return true
	}
	ip := net.ParseIP(hostname)
	return ip != nil && ip.IsLoopback()
}

// parseRepository reads a canonical host/path, as Tag.Repository gives it. It sets plain http for loopback hosts, and
// for those for which insecure returns true.
func parseRepository(s string, insecure func(host string) bool) (name.Repository, error) {
	host, _, found := strings.Cut(s, "/")
	if !found || host == "" {
		return name.Repository{}, fmt.Errorf("repository %q has no host", s)
	}
	var options []name.Option
	if isLoopback(host) || insecure(host) {
		options = append(options, name.Insecure)
	}
	repository, err := name.NewRepository(s, options...)
	if err != nil {
		return name.Repository{}, fmt.Errorf("repository %q is not host/path: %w", s, err)
	}
	return repository, nil
}
