package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// tokenBudget is how long a token server is asked again and again: BuildKit waits for a minute.
const tokenBudget = 45 * time.Second

// TokenRequest is what a registry wants in place of a login with each request:
// https://distribution.github.io/distribution/spec/auth/token/.
type TokenRequest struct {
	// Host is the registry, Realm the URL of its token server.
	Host, Realm, Service string
	// Scopes are such as "repository:app:pull,push".
	Scopes []string
}

// Token opens a registry for some scopes. It prints as [credential].
type Token struct {
	Token     string
	ExpiresIn time.Duration // 0 if the token server does not say
}

// Format implements fmt.Formatter for every verb.
func (t Token) Format(f fmt.State, _ rune) { redact(f, mask) }

// Token logs in at a token server on behalf of a daemon, which gets no password: with the rules for every request of this package, the
// authorities and the permission for plain http of the registry's login included, and as often as it takes, up to 45 s.
//
// The error is a *LoginError, unless ctx ended.
func (c *Client) Token(ctx context.Context, r TokenRequest) (Token, error) {
	host := fault.CanonicalHost(r.Host)
	ctx, stop := context.WithTimeoutCause(ctx, tokenBudget, fmt.Errorf("%w: its token server took longer than %s", fault.ErrUnreachable, tokenBudget))
	defer stop()
	given, err := c.keychain.find(ctx, host)
	if err != nil {
		return Token{}, err
	}
	token, err := c.exchange(ctx, host, given, r)
	if err != nil {
		err = c.keychain.record(host, given, fmt.Errorf("logging in to %s: %w", host, err))
	}
	return token, err
}

func (c *Client) exchange(ctx context.Context, host string, given finding, r TokenRequest) (Token, error) {
	s, err := c.tokenSession(ctx, host, given, r.Scopes)
	if err != nil {
		return Token{}, err
	}
	server, err := tokenServer(r.Realm)
	if err != nil {
		return Token{}, err
	}
	challenge := &transport.Challenge{
		Scheme: "bearer", Parameters: map[string]string{"realm": r.Realm, "service": r.Service}, Insecure: s.repository.Scheme() == "http",
	}
	var got *transport.Token
	ask := func(ctx context.Context) (err error) {
		got, err = transport.Exchange(ctx, server, s.login, c.rules(s.login), r.Scopes, challenge)
		return s.checkOpened(err)
	}
	err = s.retry(ctx, http.MethodGet, ask)
	if _, ok := errors.AsType[*addressError](err); ok && s.locate(ctx) {
		err = s.retry(ctx, http.MethodGet, ask)
	}
	if err != nil {
		return Token{}, err
	}
	return checkToken(got)
}

// locate finds out where the registry is, and says whether that was not known: its token server may be in the same private network.
func (s *session) locate(ctx context.Context) bool {
	if s.login.way.isLocated() {
		return false
	}
	ctx, stop := s.withTimeout(ctx)
	defer stop()
	address := fmt.Sprintf("%s://%s/v2/", s.repository.Scheme(), s.repository.RegistryStr())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return false
	}
	resp, err := s.login.way.RoundTrip(req) // a redirect is an answer too
	if err != nil {
		return false
	}
	_ = resp.Body.Close()
	return s.login.way.isLocated()
}

// longestToken is how long a token is kept at most, whatever its server says.
const longestToken = 24 * time.Hour

// checkToken refuses a token that is no word for a header.
func checkToken(got *transport.Token) (Token, error) {
	word := cmp.Or(got.Token, got.AccessToken)
	if strings.ContainsFunc(word, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return Token{}, errors.New("its token server gave a token with characters that no header holds")
	}
	seconds := min(max(got.ExpiresIn, 0), int(longestToken.Seconds()))
	return Token{Token: word, ExpiresIn: time.Duration(seconds) * time.Second}, nil
}

// tokenServer is the host of a realm. The library takes it for the registry, and so lets it be any: the route judges it when it is dialed.
func tokenServer(realm string) (name.Registry, error) {
	at, err := url.Parse(realm)
	if err != nil || at.Host == "" {
		return name.Registry{}, fmt.Errorf("it names %q as its token server, which is no URL", fault.OneLine(realm))
	}
	return name.NewRegistry(at.Host, name.Insecure)
}

// tokenSession is one whose login has been found already.
func (c *Client) tokenSession(ctx context.Context, host string, given finding, scopes []string) (*session, error) {
	repository, err := parseRepository(host+"/"+scopedRepository(scopes), func(host string) bool { return c.keychain.link(host).Insecure })
	if err != nil {
		return nil, err
	}
	known, err := c.login(ctx, host)
	if err != nil {
		return nil, err
	}
	login := &lazyAuth{keychain: c.keychain, host: host, way: known.way, asked: true, answer: given}
	login.challenged.Store(true)
	return c.newSession(repository, login), nil
}

// scopedRepository is the first repository that scopes are about, for errors to name.
func scopedRepository(scopes []string) string {
	for _, scope := range scopes {
		if parts := strings.Split(scope, ":"); len(parts) == 3 && parts[0] == "repository" {
			if _, err := name.NewRepository(parts[1]); err == nil {
				return parts[1]
			}
		}
	}
	return "library"
}
