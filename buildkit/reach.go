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
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/login"
)

// Guard says what a build may do on a builder of ours that strangers could misuse: which frontends it may run beside
// the official ones, and which hosts the program itself names. The daemon fetches files and git repositories from this
// machine, and anything from the metadata services of clouds, only when the program names the host. Images come from
// registries of this machine too: that is where people have their mirrors and caches.
type Guard struct {
	Frontends []string // references of frontends that may run; see CheckFrontend
	Hosts     []string // "host" or "host:port" of registries that the program names
	// References of tags and caches that the program names: their registries are named with them.
	References []string
	// Resolve looks up the addresses of a host; nil: the machine's resolver.
	Resolve func(ctx context.Context, host string) ([]netip.Addr, error)

	once    sync.Once
	mu      sync.Mutex
	answers map[string]reachResult // by host
}

type reachResult struct {
	addr netip.Addr
	near nearness
	err  error // the addresses are not known
}

// ReachError says that a build asked for something on this machine or of a metadata service that the program does not
// name.
type ReachError struct {
	Location string // what was to be fetched, without a login
	Host     string // "host:port"
	Address  netip.Addr
	Image    bool // a base image, else a file or a git repository
	// Cause is why the addresses of the host are not known; nil: Address is one of them.
	Cause error
}

func (e *ReachError) Unwrap() error { return e.Cause }

func (e *ReachError) Error() string {
	if e.Cause != nil {
		return fmt.Sprintf("%s: it was not fetched: %s may be this machine or a metadata service, because its addresses could "+
			"not be looked up: %v. Correct its name or this machine's DNS, and try again", e.Location, e.Host, e.Cause)
	}
	what := "this machine itself"
	if nearnessOf(e.Address) == cloudService {
		what = "a link-local address, where clouds serve credentials"
	}
	return fmt.Sprintf("%s: it was not fetched: %s is %s (%s), and the Dockerfile asks for it, not the program",
		e.Location, e.Host, what, e.Address)
}

// lookupLimit bounds the question for the addresses of a host.
const lookupLimit = 10 * time.Second

// CheckImage returns a *ReachError when the registry of an image leads to a metadata service that the program does not
// name.
func (g *Guard) CheckImage(ctx context.Context, plan inputs.Plan, ref string) error {
	return g.check(ctx, ref, registryHost(ref), g.namedHosts(plan), imageSource)
}

// sourceKind is what the daemon fetches.
type sourceKind int

const (
	imageSource sourceKind = iota
	fileSource
	gitSource
)

// check judges the address of a "host:port". named are those that the program names.
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

// find resolves a host once and returns the address that leads nearest. A host that does not exist is not near: the
// daemon does not reach it either, or reaches it by a proxy. After any other failure nothing is known of it: whoever runs
// its name server can be slow to us, and then quick to the daemon.
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
		return found // of a build that ends
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.answers[host] = found
	return found
}

// addresses returns the addresses of a host, none if there is no such host. It returns an error when they are not known.
func (g *Guard) addresses(ctx context.Context, host string) ([]netip.Addr, error) {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if ascii, err := idna.Lookup.ToASCII(host); err == nil {
		host = ascii
	}
	if addr, ok := parseAddress(host); ok {
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
			// Addresses of one family will do: many name servers keep quiet about IPv6, and who serves a name could change it
			// after this anyway.
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

// urlHost returns the "host:port" of a URL, or of a git repository in the form user@host:path.
func urlHost(location string) string {
	if u, err := gitutil.ParseURL(location); err == nil {
		return withPort(u.Host, defaultPorts[u.Scheme])
	}
	if u, err := url.Parse(location); err == nil {
		return withPort(u.Host, defaultPorts[u.Scheme])
	}
	return ""
}

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

// NamedLocation returns the location as a named context takes it: of a git repository in the form user@host:path, the URL.
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
