package registry

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/google/go-containerregistry/pkg/authn"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// lazyAuth looks a credential up when its host first answers 401, 403 or 404, and then once. So a registry that wants
// no login, such as one on loopback, never fails for a broken credential helper, and waits for one only before a 404
// counts.
type lazyAuth struct {
	keychain     *Keychain
	host         string
	route        *route // to that host, and to where it redirects
	isChallenged atomic.Bool
	lookups      sharedCall[finding]

	mu     sync.Mutex // is not held over a lookup
	asked  bool
	failed bool // a lookup of offer did
	answer finding
}

// Authorization implements authn.Authenticator. Nobody calls it: go-containerregistry has a context.
func (l *lazyAuth) Authorization() (*authn.AuthConfig, error) {
	return l.AuthorizationContext(context.Background())
}

// AuthorizationContext returns the credential, or an empty one until the host asks for a login. It does not remember a
// failed lookup.
func (l *lazyAuth) AuthorizationContext(ctx context.Context) (*authn.AuthConfig, error) {
	if !l.isChallenged.Load() || l.keychain == nil {
		return &authn.AuthConfig{}, nil
	}
	credential, err := l.lookup(ctx)
	if err != nil {
		return nil, keychainError{err}
	}
	return &authn.AuthConfig{
		Username:      credential.Username,
		Password:      credential.Password,
		IdentityToken: credential.IdentityToken,
	}, nil
}

// lookup returns the credential that was found, or looks for it. All callers share one lookup.
func (l *lazyAuth) lookup(ctx context.Context) (Credential, error) {
	if found, ok := l.result(); ok {
		return found.Credential, nil
	}
	found, err := l.lookups.do(ctx, func(ctx context.Context) (finding, error) {
		if found, ok := l.result(); ok { // since this caller asked
			return found, nil
		}
		found, err := l.keychain.lookup(ctx, l.host)
		if err != nil {
			return finding{}, err
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		l.asked, l.answer = true, found
		return found, nil
	})
	return found.Credential, err
}

// result returns what the lookup found. ok is false when none has succeeded.
func (l *lazyAuth) result() (found finding, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.answer, l.asked
}

// offer logs in although the host did not ask for it, if there is something to log in with. It returns whether it did.
// After a failed lookup the registry's answer counts, and offer does not look again.
func (l *lazyAuth) offer(ctx context.Context) bool {
	if l.keychain == nil || l.hasFailed() {
		return false
	}
	credential, err := l.lookup(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failed = err != nil
	if err != nil || credential.Anonymous() {
		return false
	}
	l.isChallenged.Store(true)
	return true
}

// hasFailed reports whether the lookup of an offer failed.
func (l *lazyAuth) hasFailed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failed
}

// renew forgets a credential that the host refused, and returns whether another one may be found.
func (l *lazyAuth) renew(refused Credential) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.answer.Credential != refused {
		return true // another call was faster
	}
	if !refused.Anonymous() {
		fault.Logger(l.keychain.Log).Debug("credential refused", "host", l.host, "renewable", l.answer.renewable)
	}
	if !l.answer.renewable {
		return false
	}
	l.keychain.invalidate(l.host, refused)
	l.asked, l.answer = false, finding{}
	return true
}

// credential returns what was found so far.
func (l *lazyAuth) credential() Credential {
	found, _ := l.result()
	return found.Credential
}

// basicLogin logs in with each request to host, and with none to where that redirects.
type basicLogin struct {
	next  http.RoundTripper
	login *lazyAuth
	host  string
}

// RoundTrip implements http.RoundTripper.
func (b basicLogin) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Host != b.host {
		return b.next.RoundTrip(req)
	}
	credential, err := b.login.AuthorizationContext(req.Context())
	if err != nil {
		return nil, err
	}
	req = req.Clone(req.Context())
	if credential.Username+credential.Password != "" {
		req.SetBasicAuth(credential.Username, credential.Password)
	}
	return b.next.RoundTrip(req)
}

// keychainError marks an error of the keychain on its way through the HTTP client.
type keychainError struct{ error }
