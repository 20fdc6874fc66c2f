package ecr

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecrpublic"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

const (
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

// fetch asks Amazon ECR for a token, and again while the failure is likely to pass. A token without credentials to ask
// with has an error and an until.
func (c *tokenCache) fetch(ctx context.Context, p principal, pauses fault.Backoff) token {
	if pauses == nil {
		pauses = tokenBackoff
	}
	var fresh token
	err := fault.Retry(ctx, pauses, nil, func(ctx context.Context) (bool, error) {
		ctx, stop := context.WithTimeoutCause(ctx, tokenTryTimeout, newSilent(tokenTryTimeout))
		defer stop()
		var err error
		if fresh, err = c.fetchOnce(ctx, p); err == nil {
			return false, nil
		}
		return ctx.Err() != nil || isTransient(err), p.explain(ctx, err)
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
func (c *tokenCache) fetchOnce(ctx context.Context, p principal) (token, error) {
	began := time.Now()
	config, err := c.config(ctx, p)
	if err == nil {
		_, err = config.Credentials.Retrieve(ctx)
	}
	if err != nil {
		return token{until: time.Now().Add(noneFor)}, err
	}
	text, expires, err := p.authorizationToken(ctx, config)
	if err != nil {
		return token{}, err
	}
	credential, err := decodeToken(text)
	if err != nil {
		return token{}, err
	}
	return token{credential: credential, until: began.Add(expires.Sub(began) / 2), expires: expires}, nil
}

// authorizationToken calls GetAuthorizationToken, whose tokens are good for 12 hours.
func (p principal) authorizationToken(ctx context.Context, config aws.Config) (text string, expires time.Time, err error) {
	if p.public {
		client := ecrpublic.NewFromConfig(config, func(o *ecrpublic.Options) {
			o.Retryer = aws.NopRetryer{}
			p.setEndpoint(&o.BaseEndpoint)
		})
		answer, err := client.GetAuthorizationToken(ctx, nil)
		if err != nil || answer.AuthorizationData == nil {
			return "", time.Time{}, err
		}
		data := answer.AuthorizationData
		return aws.ToString(data.AuthorizationToken), aws.ToTime(data.ExpiresAt), nil
	}
	answer, err := p.client(config).GetAuthorizationToken(ctx, nil)
	if err != nil || len(answer.AuthorizationData) == 0 {
		return "", time.Time{}, err
	}
	data := answer.AuthorizationData[0]
	return aws.ToString(data.AuthorizationToken), aws.ToTime(data.ExpiresAt), nil
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
