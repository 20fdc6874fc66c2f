package registry

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// concurrency is how many requests one call sends to a registry side by side.
const concurrency = 4

// Options change how a Client talks. The zero Options are the defaults.
type Options struct {
	// Transport carries the requests. The default heeds the proxy variables and is shared, so that connections outlive a Client.
	Transport http.RoundTripper
	// Timeout bounds one request with its retries and the reading of its answer. The default is one minute.
	Timeout time.Duration
	// RetryWaits are the pauses before each further try after 408, 429, 5xx or a broken connection. The default is 1 s and 3 s; an empty
	// list that is not nil means one try.
	RetryWaits []time.Duration
}

// Client acts on registries with the credentials of one operation. Make a new one for each operation: it keeps what it logged in with.
// It speaks plain http to loopback hosts only. It is safe for concurrent use and needs no closing.
type Client struct {
	keychain *Keychain
	options  Options

	mu       sync.Mutex
	logins   map[string]*lateLogin
	sessions map[sessionKey]*session
}

// New makes a client and contacts nobody. A nil keychain is anonymous.
func New(keychain *Keychain, options Options) *Client {
	options.Transport = cmp.Or[http.RoundTripper](options.Transport, remote.DefaultTransport)
	options.Timeout = cmp.Or(options.Timeout, time.Minute)
	if options.RetryWaits == nil {
		options.RetryWaits = []time.Duration{time.Second, 3 * time.Second}
	}
	return &Client{
		keychain: keychain,
		options:  options,
		logins:   map[string]*lateLogin{},
		sessions: map[sessionKey]*session{},
	}
}

// sessionKey: a token is good for one repository and for the actions it was asked for.
type sessionKey struct{ repository, actions string }

// session is the one for repository and actions, logged in if it is new. Two callers may both log in; the later session stays.
func (c *Client) session(ctx context.Context, repository, actions string) (*session, error) {
	key := sessionKey{repository, actions}
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

// open pings the registry of a repository and logs in if it is challenged.
func (c *Client) open(ctx context.Context, key sessionKey) (*session, error) {
	repository, err := parseRepository(key.repository)
	if err != nil {
		return nil, err
	}
	s := &session{repository: repository, login: c.login(canonicalHost(repository.RegistryStr())), timeout: c.options.Timeout}
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	authorized, err := transport.NewWithContext(ctx, repository.Registry, s.login, c.rules(s.login), []string{repository.Scope(key.actions)})
	if err != nil {
		return nil, s.unopened(ctx, err)
	}
	s.client = &http.Client{Transport: authorized, CheckRedirect: checkRedirect}
	return s, nil
}

// unopened explains why there is no session. A 404 here is about the host or its token server, never about an image.
func (s *session) unopened(ctx context.Context, err error) error {
	explained := s.explain(ctx, err)
	if errors.Is(explained, ErrNotFound) {
		return s.explain(ctx, errNotARegistry)
	}
	return explained
}

// login is the one of host for the lifetime of the client, so that its helper is asked once.
func (c *Client) login(host string) *lateLogin {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.logins[host] == nil {
		c.logins[host] = &lateLogin{keychain: c.keychain, host: host}
	}
	return c.logins[host]
}

// rules is the way of every request, logins and redirects included.
func (c *Client) rules(login *lateLogin) http.RoundTripper {
	guarded := plainHTTPGuard{c.options.Transport}
	return transport.NewUserAgent(retry{challengeWatch{guarded, login}, c.options.RetryWaits}, "pulumi-buildkit")
}
