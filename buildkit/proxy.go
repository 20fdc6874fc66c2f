package buildkit

import (
	"net/url"
	"strings"

	"golang.org/x/net/http/httpproxy"
)

// hasProxy reports whether the daemon fetches a location through a proxy of the environment, which the daemon inherits.
// The proxy then looks up the addresses of the host, and this machine may be unable to.
//
// It reports false for a git repository over plain HTTP, because git reads other variables than the daemon.
func hasProxy(location, hostPort string, kind sourceKind) bool {
	u := &url.URL{Scheme: "https", Host: hostPort}
	if kind != imageSource {
		scheme, _, _ := strings.Cut(location, "://")
		u.Scheme = strings.ToLower(scheme)
	}
	if u.Scheme != "https" && (u.Scheme != "http" || kind == gitSource) {
		return false
	}
	proxy, err := httpproxy.FromEnvironment().ProxyFunc()(u)
	return err == nil && proxy != nil
}
