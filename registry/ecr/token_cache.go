package ecr

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"golang.org/x/sync/singleflight"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// tokenTimeout bounds all tries to get a token. A daemon that asks for credentials waits a minute for the answer.
const tokenTimeout = 45 * time.Second

// tokenCache holds the configurations and tokens of principals.
type tokenCache struct {
	mu      sync.Mutex
	configs map[principal]aws.Config
	tokens  map[principal]token
	flights singleflight.Group
}

// sharedTokens belongs to all Configs of this process, so that fifty images cost one token.
var sharedTokens = newTokenCache()

func newTokenCache() *tokenCache {
	return &tokenCache{configs: map[principal]aws.Config{}, tokens: map[principal]token{}}
}

// token is a login, or the reason why there is none. The cache asks AWS for no other one before until.
type token struct {
	credential     Credential
	err            error
	until, expires time.Time
}

// credential returns the login of a principal. It gives a token out in the first half of its life only, so that hours are
// left to push. All who ask at once share one call to AWS.
func (c *tokenCache) credential(ctx context.Context, p principal, pauses fault.Backoff) (Credential, error) {
	if current, ok := c.current(p); ok {
		return current.credential, current.err
	}
	flight := c.flights.DoChan(fmt.Sprint(p), func() (any, error) { //nolint:forbidigo // rescue.Value is in it
		// Whoever came first may give up; the others still wait.
		ctx, stop := context.WithTimeoutCause(context.WithoutCancel(ctx), tokenTimeout, newSilent(tokenTimeout))
		defer stop()
		return rescue.Value(func() (token, error) { return c.refresh(ctx, p, pauses), nil })
	})
	select {
	case landed := <-flight:
		if landed.Err != nil {
			return Credential{}, landed.Err
		}
		fresh := landed.Val.(token)
		return fresh.credential, fresh.err
	case <-ctx.Done():
		return Credential{}, context.Cause(ctx)
	}
}

// current returns the token that the cache holds. ok is false when it is time to ask for another one.
func (c *tokenCache) current(p principal) (held token, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	held, ok = c.tokens[p]
	return held, ok && time.Now().Before(held.until)
}

// unexpired returns the token that the cache holds. ok is false when there is none or it has expired.
func (c *tokenCache) unexpired(p principal) (held token, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	held, ok = c.tokens[p]
	return held, ok && held.err == nil && time.Now().Before(held.expires)
}

// refresh asks for a token, stores and returns it. It looks into the cache first, since another call may have just
// filled it. If AWS gives none and the old token is still valid, it returns the old one, and makes no retry.
func (c *tokenCache) refresh(ctx context.Context, p principal, pauses fault.Backoff) token {
	if current, ok := c.current(p); ok {
		return current
	}
	if _, ok := c.unexpired(p); ok {
		pauses = fault.Backoff{}
	}
	fresh := c.fetch(ctx, p, pauses)
	old, ok := c.unexpired(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	if fresh.err != nil {
		delete(c.configs, p) // somebody may log in meanwhile
	}
	if fresh.err != nil && ok {
		return old
	}
	c.tokens[p] = fresh
	return fresh
}

// forget drops a token that a registry refused, if the cache still holds it.
func (c *tokenCache) forget(p principal, refused Credential) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.tokens[p].credential == refused {
		delete(c.tokens, p)
		delete(c.configs, p)
	}
}

// config returns the configuration of a principal, and loads it if the cache has none.
func (c *tokenCache) config(ctx context.Context, p principal) (aws.Config, error) {
	c.mu.Lock()
	held, ok := c.configs[p]
	c.mu.Unlock()
	if ok {
		return held, nil
	}
	loaded, err := p.loadConfig(ctx)
	if err != nil {
		return aws.Config{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if held, ok := c.configs[p]; ok { // another call was faster, and its configuration holds credentials
		return held, nil
	}
	c.configs[p] = loaded
	return loaded, nil
}
