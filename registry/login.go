package registry

import (
	"context"
	"encoding/base64"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/google/go-containerregistry/pkg/authn"
)

// lateLogin looks a credential up when its host first answers 401 or 403, and then once. A registry that asks for none, such as one on
// loopback, never waits for a credential helper nor fails for a broken one.
type lateLogin struct {
	keychain   *Keychain
	host       string
	challenged atomic.Bool

	mu     sync.Mutex
	asked  bool
	answer Credential
}

// Authorization is for callers without a context, of which there are none.
func (l *lateLogin) Authorization() (*authn.AuthConfig, error) {
	return l.AuthorizationContext(context.Background())
}

// AuthorizationContext is empty until the host asked for a login. A failed lookup is not kept.
func (l *lateLogin) AuthorizationContext(ctx context.Context) (*authn.AuthConfig, error) {
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

func (l *lateLogin) lookup(ctx context.Context) (Credential, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.asked {
		return l.answer, nil
	}
	credential, err := l.keychain.Lookup(ctx, l.host)
	if err != nil {
		return Credential{}, err
	}
	l.asked, l.answer = true, credential
	return credential, nil
}

// credential is what was found so far.
func (l *lateLogin) credential() Credential {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.answer
}

// redacted removes the credential from what a registry says, should it repeat what it was sent.
func (l *lateLogin) redacted(text string) string {
	c := l.credential()
	basic := base64.StdEncoding.EncodeToString([]byte(c.Username + ":" + c.Password))
	for _, secret := range []string{c.Password, c.IdentityToken, basic} {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, mask)
		}
	}
	return text
}

// lookupError marks an error of the keychain on its way through the HTTP client.
type lookupError struct{ error }
