package buildkit

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/moby/buildkit/util/gitutil"
	"golang.org/x/net/idna"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/address"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/login"
)

// Guard limits what a Dockerfile can make the plugin's own builder do. It has the frontends that may run besides the
// official ones, and the hosts that the program itself names.
//
// The daemon fetches files and git repositories from this machine only if the program names the host. The same holds
// for anything from the metadata services of clouds. Images may come from registries of this machine, because people
// have mirrors and caches there.
type Guard struct {
	Frontends []string // references of frontends that may run; see CheckFrontend
	Hosts     []string // "host" or "host:port" of registries that the program names
	// References are those of tags and caches in the program. Naming one names its registry.
	References []string
	// Resolve looks up the addresses of a host; nil: the machine's resolver.
	Resolve func(ctx context.Context, host string) ([]netip.Addr, error)

	once    sync.Once
	mu      sync.Mutex
	answers map[string]reachResult // by host
}

// reachResult is where a host leads.
type reachResult struct {
	addr netip.Addr
	near nearness
	err  error // the addresses are not known
}

// lookupLimit bounds the lookup of a host's addresses.
const lookupLimit = 10 * time.Second

// CheckImage returns a *ReachError if the registry of an image leads to a metadata service that the program does not
// name.
func (g *Guard) CheckImage(ctx context.Context, plan inputs.Plan, ref string) error {
	return g.check(ctx, ref, registryHost(ref), g.namedHosts(plan), imageSource)
}

// sourceKind is the kind of a source that the daemon fetches.
type sourceKind int

const (
	imageSource sourceKind = iota
	fileSource
	gitSource
)

// check returns a *ReachError if the daemon must not reach a "host:port". named are the hosts that the program names.

func (g *Guard) check(ctx context.Context, location, hostPort string, named []string, kind sourceKind) error {
	if hostPort == "" || slices.Contains(named, hostPort) {
		return nil
	}
	host, _, err := net.SplitHostPort(hostPort)
	if err != nil {
		host = hostPort
	}
	found := g.find(ctx, host)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if found.err != nil && !hasProxy(location, hostPort, kind) {
		return &ReachError{Location: login.Hide(location), Host: hostPort, Image: kind == imageSource, Cause: found.err}
	}
	if found.near == elsewhere || found.near == thisMachine && kind == imageSource {
		return nil
	}
	return &ReachError{Location: login.Hide(location), Host: hostPort, Address: found.addr, Image: kind == imageSource}
}

// find resolves a host once and returns its most dangerous address.
//
// A host that does not exist is harmless: the daemon does not reach it either, or reaches it by a proxy. After any
// other failure nothing is known of the host. Its name server may be slow to answer this process and quick to answer
// the daemon.
func (g *Guard) find(ctx context.Context, host string) reachResult {
	g.once.Do(func() { g.answers = map[string]reachResult{} })
	g.mu.Lock()
	known, ok := g.answers[host]
	g.mu.Unlock()
	if ok {
		return known
	}
	addrs, err := g.addresses(ctx, host)
	found := reachResult{err: err}
	for _, addr := range addrs {
		if n := nearnessOf(addr); n > found.near {
			found = reachResult{addr: addr, near: n}
		}
	}
	if ctx.Err() != nil {
		return found // the build ends: this is no answer to remember
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.answers[host] = found
	return found
}

// addresses returns the addresses of a host; none if there is no such host. It returns an error if they are not known.
func (g *Guard) addresses(ctx context.Context, host string) ([]netip.Addr, error) {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if ascii, err := idna.Lookup.ToASCII(host); err == nil {
		host = ascii
	}
	if addr, ok := address.Parse(host); ok {
		return []netip.Addr{addr}, nil
	}
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1})}, nil
	}
	if host == "docker.io" || host == "registry-1.docker.io" {
		return nil, nil
	}
	ctx, stop := context.WithTimeoutCause(ctx, lookupLimit, fmt.Errorf("no answer within %s", lookupLimit))
	defer stop()
	resolve := g.Resolve
	if resolve == nil {
		resolve = func(ctx context.Context, host string) ([]netip.Addr, error) {
			// Addresses of one family are enough. Many name servers do not answer for IPv6, and the owner of a name
			// could change its addresses after this lookup anyway.
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		}
	}
	found, err := resolve(ctx, host)
	if failed, ok := errors.AsType[*net.DNSError](err); ok && failed.IsNotFound {
		return nil, nil
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return found, err
}

// namedHosts returns the hosts that the program names, as "host:port".
func (g *Guard) namedHosts(plan inputs.Plan) []string {
	var hosts []string
	for _, host := range g.Hosts {
		hosts = append(hosts, withPort(host, "443"))
	}
	for _, ref := range slices.Concat(g.References, plan.Repositories) {
		hosts = append(hosts, registryHost(ref))
	}
	for _, location := range plan.Files.Remotes() {
		if ref, isImage := strings.CutPrefix(location, inputs.ImageScheme); isImage {
			hosts = append(hosts, registryHost(ref))
			continue
		}
		hosts = append(hosts, urlHost(location))
	}
	return hosts
}

// registryHost returns the "host:port" of a reference's registry.
func registryHost(ref string) string {
	host, _, ok := strings.Cut(ref, "/")
	if !ok || host != "localhost" && !strings.ContainsAny(host, ".:[") {
		host = "docker.io"
	}
	return withPort(host, "443")
}

// defaultPorts are those of URLs without one.
var defaultPorts = map[string]string{"http": "80", "https": "443", "git": "9418", "ssh": "22"}

// urlHost returns the "host:port" of a URL, or of a git repository in the form user@host:path. It returns "" for any
// other text.
func urlHost(location string) string {
	if u, err := gitutil.ParseURL(location); err == nil {
		return withPort(u.Host, defaultPorts[u.Scheme])
	}
	if u, err := url.Parse(location); err == nil {
		return withPort(u.Host, defaultPorts[u.Scheme])
	}
	return ""
}

// withPort returns a host in lower case with its port, or with the given one if it has none.
func withPort(host, port string) string {
	host = strings.ToLower(host)
	if host == "" {
		return ""
	}
	if name, given, err := net.SplitHostPort(host); err == nil && given != "" {
		return net.JoinHostPort(name, given)
	}
	return net.JoinHostPort(strings.Trim(strings.TrimSuffix(host, ":"), "[]"), port)
}
