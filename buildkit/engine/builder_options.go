package engine

import (
	"context"
	"net/url"
	"os"
	"strings"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/engine/inside"
)

// BuilderOptions says what our BuildKit in an engine needs.
type BuilderOptions struct {
	// Registries holds, by host, the registries that have mirrors, and those that are not reached by https with the
	// machine's own authorities.
	Registries map[string]inside.Registry
	// Hosts are the registries that the build needs. The builder makes a tunnel to a registry on the loopback of this
	// machine if nothing answers at its port in the network of the engine. No other machine gets that port meanwhile.
	Hosts []string
	// Note is called with a line for each thing that is made in the engine, and with the notes of the daemon.
	Note func(line string)
}

// port returns the port of a registry on the loopback whose host names none. BuildKit speaks plain HTTP to it, unless
// something else is configured.
func (o BuilderOptions) port(host string) string {
	if r, ok := o.Registries[host]; ok && r.CA != "" && !r.PlainHTTP {
		return "443"
	}
	return "80"
}

// inheritedVariables are the environment variables that the daemon in the container inherits from this process.
var inheritedVariables = []string{
	"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy",
	"PULUMI_BUILDKIT_DAEMON_IDLE",
}

// inheritEnviron returns those of inheritedVariables that are set. It leaves out a proxy on the loopback of this
// machine unless that is also the engine's loopback, and returns the names of those.
func (e *Engine) inheritEnviron(ctx context.Context) (found map[string]string, skipped []string, err error) {
	found = map[string]string{}
	for _, name := range inheritedVariables {
		value := os.Getenv(name)
		if value == "" {
			continue
		}
		found[name] = value
		if !strings.HasPrefix(strings.ToLower(name), "no_") && isProxyHere(value) {
			skipped = append(skipped, name)
		}
	}
	if skipped == nil {
		return found, nil, nil
	}
	shared, err := e.sharesLoopback(ctx)
	if shared || err != nil {
		return found, nil, err
	}
	for _, name := range skipped {
		delete(found, name)
	}
	return found, skipped, nil
}

// isProxyHere reports whether a proxy is on the loopback of this machine.
func isProxyHere(proxy string) bool {
	if !strings.Contains(proxy, "://") {
		proxy = "http://" + proxy
	}
	u, err := url.Parse(proxy)
	return err == nil && isLoopback(u.Hostname())
}
