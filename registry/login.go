package registry

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/google/go-containerregistry/pkg/authn"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// lazyAuth looks a credential up when its host first answers 401, 403 or 404, and then once. A registry that asks for
// none, such as one on loopback, never fails for a broken credential helper, and waits for one only before a 404 counts.
type lazyAuth struct {
	keychain   *Keychain
	host       string
	way        *route // to that host, and to where it redirects
	challenged atomic.Bool
	lookups    sharedCall[finding]

	mu     sync.Mutex // is not held over a lookup
	asked  bool
	failed bool // a lookup did that nobody had asked for
	answer finding
}

// Authorization is for callers without a context, of which there are none.
func (l *lazyAuth) Authorization() (*authn.AuthConfig, error) {
	return l.AuthorizationContext(context.Background())
}

// AuthorizationContext is empty until the host asked for a login. A failed lookup is not kept.
func (l *lazyAuth) AuthorizationContext(ctx context.Context) (*authn.AuthConfig, error) {
	if !l.challenged.Load() || l.keychain == nil {
		return &authn.AuthConfig{}, nil
	}
	credential, err := l.lookup(ctx)
	if err != nil {
		return nil, lookupError{err}
	}
	return &authn.AuthConfig{
		Username:      credential.Username,
		Password:      credential.Password,
		IdentityToken: credential.IdentityToken,
	}, nil
}

// lookup returns the credential that was found, or looks for it. All who need it share one lookup.
func (l *lazyAuth) lookup(ctx context.Context) (Credential, error) {
	if found, ok := l.known(); ok {
		return found.Credential, nil
	}
	found, err := l.lookups.do(ctx, func(ctx context.Context) (finding, error) {
		if found, ok := l.known(); ok { // since this caller asked
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

// known returns what a lookup found. ok is false when none has succeeded.
func (l *lazyAuth) known() (found finding, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.answer, l.asked
}

// offer logs in unasked if there is something to log in with, and says whether it did. Where the lookup fails it is the registry's word that
// counts, and nobody looks again.
func (l *lazyAuth) offer(ctx context.Context) bool {
	if l.keychain == nil || l.gaveUp() {
		return false
	}
	credential, err := l.lookup(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failed = err != nil
	if err != nil || credential.Anonymous() {
		return false
	}
	l.challenged.Store(true)
	return true
}

func (l *lazyAuth) gaveUp() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failed
}

// renew forgets a credential that was refused, and says whether another one may be found.
func (l *lazyAuth) renew(refused Credential) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.answer.Credential != refused {
		return true // somebody else has been here
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

// credential is what was found so far.
func (l *lazyAuth) credential() Credential { return l.found().Credential }

func (l *lazyAuth) found() finding {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.answer
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

// lookupError marks an error of the keychain on its way through the HTTP client.
type lookupError struct{ error }
