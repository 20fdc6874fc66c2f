package registry

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue/wire"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// concurrency is how many requests one call sends to a registry side by side.
const concurrency = 4

// Options change how a Client talks. The zero Options are the defaults.
type Options struct {
	// Transport carries the requests. The default heeds the proxy variables and is shared, so that connections outlive
	// a Client. The client judges each address that an [http.Transport] dials, and does not use its DialContext. With
	// another transport it judges the URLs alone.
	Transport http.RoundTripper
	// Timeout is how long one try of a request may take, from its first byte to the last of its answer. The client asks
	// a registry again that is silent for so long. The default is 30 seconds.
	Timeout time.Duration
	// Budget is how long one call of a Client may take with all its requests, tries and pauses. The default is 5
	// minutes.
	Budget time.Duration
	// RetryWaits are the pauses before each further try after 408, 429, 5xx, a broken or a silent connection. The
	// registry's Retry-After makes one longer. The default is growing pauses of up to 30 s as long as the budget lasts.
	// An empty list that is not nil means one try.
	RetryWaits []time.Duration
	// Watch is told what calls wait for. The waits for logins are those of Keychain.Watch.
	Watch Watch
	// Log receives records of level Debug about tries, tokens and redirects. They hold no secret. Those about logins go
	// to Keychain.Log. Nil discards them.
	Log *slog.Logger
}

// Client acts on registries with the credentials of one operation. Make a new one for each operation: it keeps what it
// logged in with. It speaks plain http only to loopback hosts, and to those for which the user allows it. It is safe
// for concurrent use and needs no closing.
type Client struct {
	keychain *Keychain
	options  Options

	mu       sync.Mutex
	logins   map[string]*lazyAuth
	sessions map[sessionKey]*session
	prepared map[string]*preparation // by repository
	seen     sync.Map
}

// New makes a client and contacts nobody. A nil keychain is anonymous.
func New(keychain *Keychain, options Options) *Client {
	options.Transport = cmp.Or[http.RoundTripper](options.Transport, remote.DefaultTransport)
	options.Timeout = cmp.Or(options.Timeout, 30*time.Second)
	options.Budget = cmp.Or(options.Budget, 5*time.Minute)
	options.Log = fault.Logger(options.Log)
	return &Client{
		keychain: keychain,
		options:  options,
		logins:   map[string]*lazyAuth{},
		sessions: map[sessionKey]*session{},
		prepared: map[string]*preparation{},
	}
}

// sessionKey names a session: a token is good for one repository and for the actions that the client asked for. It may
// also open another repository of the registry, mountFrom, to read. mirrorOf is the host of the registry of which this
// one is a mirror; "" is none.
type sessionKey struct{ repository, actions, mountFrom, mirrorOf string }

// session returns the session for repository and actions, and opens it if it is new. It prefers the one of Prepare, and
// waits for it.
func (c *Client) session(ctx context.Context, repository, actions string) (*session, error) {
	if s := c.preparedSession(ctx, repository); s != nil && actions != deletion {
		return s, nil
	}
	return c.sessionFor(ctx, sessionKey{repository: repository, actions: actions})
}

// sessionFor returns the session of a key, and opens it if it is new. Two callers may both log in; the later session
// stays.
func (c *Client) sessionFor(ctx context.Context, key sessionKey) (*session, error) {
	c.mu.Lock()
	known := c.sessions[key]
	c.mu.Unlock()
	if known != nil {
		return known, nil
	}
	fresh, err := c.open(ctx, key)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sessions[key] = fresh
	return fresh, nil
}

// open pings the registry of a repository, and logs in if the registry wants that.
func (c *Client) open(ctx context.Context, key sessionKey) (*session, error) {
	repository, err := parseRepository(key.repository, c.keychain.isInsecure)
	if err != nil {
		return nil, err
	}
	login, err := c.login(ctx, fault.CanonicalHost(repository.RegistryStr()))
	if err != nil {
		return nil, err
	}
	s := c.newSession(repository, login)
	if s.mirrorOf = key.mirrorOf; s.mirrorOf != "" {
		s.waits, s.timeout = fault.Backoff{}, min(s.timeout, mirrorTimeout)
	}
	if c.asksForLogin(login.host) {
		s.client = &http.Client{Transport: basicLogin{c.transport(login), login, repository.RegistryStr()}}
		return s, nil
	}
	scopes := []string{repository.Scope(key.actions)}
	if key.mountFrom != "" {
		scopes = append(scopes, repository.Registry.Repo(key.mountFrom).Scope(pull))
	}
	var authorized http.RoundTripper
	err = s.retry(ctx, http.MethodGet, func(ctx context.Context) (err error) {
		authorized, err = transport.NewWithContext(ctx, repository.Registry, login, c.transport(login), scopes)
		return s.peer().checkPing(err)
	})
	if err != nil {
		return nil, err
	}
	s.client = &http.Client{Transport: authorized}
	return s, nil
}

// newSession returns a session that has no HTTP client yet.
func (c *Client) newSession(repository name.Repository, login *lazyAuth) *session {
	return &session{
		repository: repository,
		login:      login,
		timeout:    c.options.Timeout,
		waits:      c.options.RetryWaits,
		watch:      c.options.Watch,
		logger:     c.options.Log,
		seen:       &c.seen,
	}
}

// withBudget returns a context that ends with ctx or after the budget of one call.
func (c *Client) withBudget(ctx context.Context) (context.Context, context.CancelFunc) {
	late := fmt.Sprintf("%v: the registry took longer than %s", fault.ErrUnreachable, c.options.Budget)
	return context.WithTimeoutCause(ctx, c.options.Budget, fault.New(fault.Silent, late, fault.ErrUnreachable))
}

// login returns the login to host, one for the lifetime of the client, so that the client asks a helper once.
func (c *Client) login(ctx context.Context, host string) (*lazyAuth, error) {
	c.mu.Lock()
	known := c.logins[host]
	c.mu.Unlock()
	if known != nil {
		return known, nil
	}
	route, err := c.route(ctx, host) // it may read a file
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if known := c.logins[host]; known != nil { // another call was faster
		return known, nil
	}
	login := &lazyAuth{keychain: c.keychain, host: host, route: route}
	login.isChallenged.Store(c.asksForLogin(host))
	c.logins[host] = login
	return login, nil
}

// sharedRoutes are those of the default transport, so that connections outlive a Client.
var sharedRoutes sync.Map

// route returns the route to host, with the authorities and the permissions that the user gave.
func (c *Client) route(ctx context.Context, host string) (*route, error) {
	link, named := c.keychain.link(host), c.keychain.namedHosts()
	transport, err := withCA(ctx, c.options.Transport, link)
	if err != nil {
		return nil, err
	}
	own := newRoute(transport, host, link.Insecure, named)
	if transport != remote.DefaultTransport {
		return own, nil
	}
	key := fmt.Sprint(host, link.Insecure, named) // fmt sorts maps
	shared, _ := sharedRoutes.LoadOrStore(key, own)
	return shared.(*route), nil
}

// asksForLogin reports whether host wants a login with every request, which a private host of Amazon ECR does. It saves
// the round trip to be told.
func (c *Client) asksForLogin(host string) bool {
	if c.keychain == nil {
		return false
	}
	amazon, ok := c.keychain.ECR.Registry(host)
	return ok && !amazon.IsPublic()
}

// transport returns the way of every request, logins and redirects included. Package wire ends panics on it, because
// go-containerregistry sends pings in goroutines of its own.
func (c *Client) transport(login *lazyAuth) http.RoundTripper {
	logged := requestLog{next: challengeWatch{login.route, login}, logger: c.options.Log, registry: login.host}
	watched := waitWatch{next: retryAfterTransport{logged}, watch: c.options.Watch, registry: login.host}
	return transport.NewUserAgent(wire.Transport{Next: watched}, "pulumi-buildkit")
}
