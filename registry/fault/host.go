package fault

import "strings"

// DockerHub is the canonical host of Docker Hub.
const DockerHub = "docker.io"

// CanonicalHost returns the host of a registry's address, however people and docker write it: bare, as a URL, with a
// path behind it. The result is lower case, with the port if there is one. Docker Hub has several names and one host.
func CanonicalHost(address string) string {
	host := strings.TrimSpace(address)
	if _, rest, ok := strings.Cut(host, "://"); ok {
		host = rest
	}
	host, _, _ = strings.Cut(host, "/")
	host = strings.ToLower(host[strings.LastIndexByte(host, '@')+1:])
	switch host {
	case "index.docker.io", "registry-1.docker.io":
		return DockerHub
	}
	return host
}
