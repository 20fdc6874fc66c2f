package ecr

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

const (
	// tokenTimeout bounds all tries to get a token. A daemon that asks for credentials waits a minute for the answer.
	tokenTimeout = 45 * time.Second
	// tokenTryTimeout bounds one way to a token: SSO, STS, the metadata of the machine, Amazon ECR.
	tokenTryTimeout = 30 * time.Second
	// noneFor is how long a principal without credentials is not asked again. A machine outside Amazon may take seconds
	// to find out that it has none, and a push asks several times.
	noneFor = 30 * time.Second
)

// tokenBackoff holds the pauses between the tries, in which 30 s of trouble at Amazon pass.
var tokenBackoff = fault.Backoff{
	time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 8 * time.Second, 8 * time.Second, 8 * time.Second,
}

// tokenCall gets the token of one principal, from the cache or from AWS.
type tokenCall struct {
	cache     *tokenCache
	principal principal
	pauses    fault.Backoff // nil means tokenBackoff
	logger    *slog.Logger
}

// credential returns the login of the principal. It gives a token out in the first half of its life only, so that hours
// are left to push. All who ask at once share one call to AWS.
func (c tokenCall) credential(ctx context.Context) (Credential, error) {
	if current, ok := c.cache.currentToken(c.principal); ok {
		return current.credential, current.err
	}
	key := fmt.Sprint(c.principal)
	flight := c.cache.flights.DoChan(key, func() (any, error) { //nolint:forbidigo // rescue.Value is in it
		// Whoever came first may give up; the others still wait.
		ctx, stop := context.WithTimeoutCause(context.WithoutCancel(ctx), tokenTimeout, newSilent(tokenTimeout))
		defer stop()
		return rescue.Value(func() (token, error) { return c.refresh(ctx), nil })
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

// refresh asks for a token, stores and returns it. It looks into the cache first, since another call may have just
// filled it. If AWS gives none and the old token is still valid, it returns the old one, and makes no retry.
func (c tokenCall) refresh(ctx context.Context) token {
	if current, ok := c.cache.currentToken(c.principal); ok {
		return current
	}
	if _, ok := c.cache.validToken(c.principal); ok {
		c.pauses = fault.Backoff{}
	}
	fresh := c.fetch(ctx)
	logger := c.logger.With("host", "Amazon ECR", "region", c.principal.region, "profile", c.principal.profileName())
	if fresh.err == nil {
		logger.DebugContext(ctx, "token fetched", "expires", fresh.expires)
		return c.cache.replace(c.principal, fresh)
	}
	kept := c.cache.replace(c.principal, fresh)
	reason := fault.OneLine(fresh.err.Error())
	logger.DebugContext(ctx, "token refused", "reason", reason, "kept the old one", kept.err == nil)
	return kept
}

// fetch asks Amazon ECR for a token, and again while the failure is likely to pass. A token without credentials to ask
// with has an error and an until.
func (c tokenCall) fetch(ctx context.Context) token {
	if c.pauses == nil {
		c.pauses = tokenBackoff
	}
	onPause := func(pause fault.Pause) (end func()) {
		pause.Log(ctx, c.logger, "Amazon ECR", "GetAuthorizationToken")
		return func() {}
	}
	var fresh token
	err := fault.Retry(ctx, c.pauses, onPause, func(ctx context.Context) (bool, error) {
		ctx, stop := context.WithTimeoutCause(ctx, tokenTryTimeout, newSilent(tokenTryTimeout))
		defer stop()
		var err error
		if fresh, err = c.fetchOnce(ctx); err == nil {
			return false, nil
		}
		return ctx.Err() != nil || isTransient(err), c.principal.explain(ctx, err)
	})
	if err != nil {
		fresh.err = err
	}
	if err != nil && !errors.Is(err, fault.ErrUnauthorized) {
		fresh.until = time.Time{}
	}
	return fresh
}

// fetchOnce asks Amazon ECR for a token once. When the way to credentials fails, the token has an until as well.
func (c tokenCall) fetchOnce(ctx context.Context) (token, error) {
	began := time.Now()
	config, err := c.cache.config(ctx, c.principal)
	if err == nil {
		_, err = config.Credentials.Retrieve(ctx)
	}
	if err != nil {
		return token{until: time.Now().Add(noneFor)}, err
	}
	text, expires, err := c.principal.authorizationToken(ctx, config)
	if err != nil {
		return token{}, err
	}
	credential, err := decodeToken(text)
	if err != nil {
		return token{}, err
	}
	return token{credential: credential, until: began.Add(expires.Sub(began) / 2), expires: expires}, nil
}

// decodeToken reads base64 of "AWS:<password>".
func decodeToken(text string) (Credential, error) {
	decoded, err := base64.StdEncoding.DecodeString(text)
	username, password, ok := strings.Cut(string(decoded), ":")
	if err != nil || !ok {
		text := "AWS: GetAuthorizationToken did not answer with base64 of user:password"
		return Credential{}, fault.New(fault.AWSTokenFormat, text)
	}
	return Credential{Username: username, Password: password}, nil
}
