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

// tokenBudget is how long Token asks a token server again and again. BuildKit waits for a minute.
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

// Token logs in at a token server on behalf of a daemon, which gets no password. Its requests follow the rules for
// every request of this package, with the authorities and the permission for plain http of the registry's login. It
// asks again while the failure is likely to pass, up to 45 s.
//
// The error is a *LoginError, unless ctx ended.
func (c *Client) Token(ctx context.Context, r TokenRequest) (Token, error) {
	host := fault.CanonicalHost(r.Host)
	late := fmt.Errorf("%w: its token server took longer than %s", fault.ErrUnreachable, tokenBudget)
	ctx, stop := context.WithTimeoutCause(ctx, tokenBudget, late)
	defer stop()
	given, err := c.keychain.lookupAndRecord(ctx, host)
	if err != nil {
		return Token{}, err
	}
	token, err := c.exchange(ctx, host, given, r)
	if err != nil {
		err = c.keychain.history.record(host, given, fmt.Errorf("logging in to %s: %w", host, err))
	}
	return token, err
}

// exchange asks the token server of a registry for a token, with the credential that was found.
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
		Scheme:     "bearer",
		Parameters: map[string]string{"realm": r.Realm, "service": r.Service},
		Insecure:   s.repository.Scheme() == "http",
	}
	var got *transport.Token
	ask := func(ctx context.Context) (err error) {
		got, err = transport.Exchange(ctx, server, s.login, c.transport(s.login), r.Scopes, challenge)
		return s.peer().checkPing(err)
	}
	err = s.retry(ctx, http.MethodGet, ask)
	if _, ok := errors.AsType[*addressError](err); ok && locateRegistry(ctx, s) {
		err = s.retry(ctx, http.MethodGet, ask)
	}
	if err != nil {
		return Token{}, err
	}
	return checkToken(got)
}

// locateRegistry asks the registry for anything, to learn from which address it answers: its token server may be in the
// same private network. It returns false when that was known already, or is not known now either.
func locateRegistry(ctx context.Context, s *session) bool {
	if s.login.route.isLocated() {
		return false
	}
	ctx, stop := s.withTimeout(ctx)
	defer stop()
	address := fmt.Sprintf("%s://%s/v2/", s.repository.Scheme(), s.repository.RegistryStr())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return false
	}
	resp, err := s.login.route.RoundTrip(req) // a redirect is an answer too
	if err != nil {
		return false
	}
	_ = resp.Body.Close()
	return s.login.route.isLocated()
}

// longestToken is how long a token is kept at most, whatever its server says.
const longestToken = 24 * time.Hour

// checkToken returns the token that a server gave, or an error for one that no header can hold.
func checkToken(got *transport.Token) (Token, error) {
	word := cmp.Or(got.Token, got.AccessToken)
	if strings.ContainsFunc(word, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return Token{}, errors.New("its token server gave a token with characters that no header holds")
	}
	seconds := min(max(got.ExpiresIn, 0), int(longestToken.Seconds()))
	return Token{Token: word, ExpiresIn: time.Duration(seconds) * time.Second}, nil
}

// tokenServer returns the host of a realm, which go-containerregistry takes for a registry.
//
// The host may be any, also in a private network: the route judges its address when it dials it.
func tokenServer(realm string) (name.Registry, error) {
	at, err := url.Parse(realm)
	if err != nil || at.Host == "" {
		return name.Registry{}, fmt.Errorf("it names %q as its token server, which is no URL", fault.OneLine(realm))
	}
	return name.NewRegistry(at.Host, name.Insecure)
}

// tokenSession returns a session whose login was found already.
func (c *Client) tokenSession(ctx context.Context, host string, given finding, scopes []string) (*session, error) {
	repository, err := parseRepository(host+"/"+scopedRepository(scopes), c.keychain.isInsecure)
	if err != nil {
		return nil, err
	}
	known, err := c.login(ctx, host)
	if err != nil {
		return nil, err
	}
	login := &lazyAuth{keychain: c.keychain, host: host, route: known.route, asked: true, answer: given}
	login.isChallenged.Store(true)
	return c.newSession(repository, login), nil
}

// scopedRepository returns the first repository that scopes are about, for errors to name.
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
