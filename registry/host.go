package registry

import (
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
)

// dockerHub is the canonical host of Docker Hub; dockerHubKey is what docker's own files and helpers call it.
const (
	dockerHub    = "docker.io"
	dockerHubKey = "https://index.docker.io/v1/"
)

// canonicalHost finds the host in whatever way people and docker write the address of a registry: bare, as a URL, with a path behind
// it. It is lower case, with its port if there is one. The names of Docker Hub are one host.
func canonicalHost(address string) string {
	host := strings.TrimSpace(address)
	if _, rest, found := strings.Cut(host, "://"); found {
		host = rest
	}
	host, _, _ = strings.Cut(host, "/")
	host = strings.ToLower(host[strings.LastIndexByte(host, '@')+1:])
	switch host {
	case "index.docker.io", "registry-1.docker.io":
		return dockerHub
	}
	return host
}

// Host returns the host of a registry's address, in any form docker takes: lower case, with its port if there is one.
func Host(address string) string { return canonicalHost(address) }

// isLoopback says whether host, with or without port, is this machine without asking DNS. It is BuildKit's rule, so that a registry is
// plain http for both of us or for none.
func isLoopback(host string) bool {
	hostname := (&url.URL{Host: host}).Hostname()
	if hostname == "localhost" {
		return true
	}
	ip := net.ParseIP(hostname)
	return ip != nil && ip.IsLoopback()
}

// parseRepository reads a canonical host/path, as Tag.Repository gives it. Plain http is for loopback hosts, and for those of which the
// user said so.
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
