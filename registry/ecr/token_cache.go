package ecr

import (
	"context"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"golang.org/x/sync/singleflight"
)

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

// currentToken returns the token that the cache holds. ok is false when it is time to ask for another one.
func (c *tokenCache) currentToken(p principal) (held token, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	held, ok = c.tokens[p]
	return held, ok && time.Now().Before(held.until)
}

// validToken returns the token that the cache holds. ok is false when there is none or it has expired.
func (c *tokenCache) validToken(p principal) (held token, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	held, ok = c.tokens[p]
	return held, ok && held.err == nil && time.Now().Before(held.expires)
}

// replace stores a fresh token, and returns it. While AWS gives none, a token that has not expired stays, and replace
// returns that.
func (c *tokenCache) replace(p principal, fresh token) token {
	old, ok := c.validToken(p)
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
