package registry

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecrpublic"
)

// fetchToken asks Amazon ECR for a token, again as long as the failure is likely to pass. That there are no credentials to
// ask with is kept for a while.
func (a *awsAccess) fetchToken(ctx context.Context, p awsPrincipal, pauses backoff) ecrToken {
	if pauses == nil {
		pauses = tokenBackoff
	}
	var fresh ecrToken
	err := retryAttempt(ctx, pauses, nil, func(ctx context.Context) (bool, error) {
		ctx, stop := context.WithTimeoutCause(ctx, tokenTryTimeout, newSilent(tokenTryTimeout))
		defer stop()
		var err error
		if fresh, err = a.fetchTokenOnce(ctx, p); err == nil {
			return false, nil
		}
		return ctx.Err() != nil || isTransientAtAWS(err), p.explain(ctx, err)
	})
	if err != nil {
		fresh.err = err
	}
	if err != nil && !errors.Is(err, ErrUnauthorized) {
		fresh.until = time.Time{}
	}
	return fresh
}

// fetchTokenOnce asks Amazon ECR for a token once. The token has an until also when the way to credentials fails.
func (a *awsAccess) fetchTokenOnce(ctx context.Context, p awsPrincipal) (ecrToken, error) {
	began := time.Now()
	config, err := a.config(ctx, p)
	if err == nil {
		_, err = config.Credentials.Retrieve(ctx)
	}
	if err != nil {
		return ecrToken{until: time.Now().Add(noneFor)}, err
	}
	answered, expires, err := authorizationToken(ctx, config, p)
	if err != nil {
		return ecrToken{}, err
	}
	credential, err := decodeToken(answered)
	if err != nil {
		return ecrToken{}, err
	}
	return ecrToken{credential: credential, until: began.Add(expires.Sub(began) / 2), expires: expires}, nil
}

// authorizationToken calls GetAuthorizationToken, whose tokens are good for 12 hours.
func authorizationToken(ctx context.Context, config aws.Config, p awsPrincipal) (token string, expires time.Time, err error) {
	if p.public {
		client := ecrpublic.NewFromConfig(config, func(o *ecrpublic.Options) {
			o.Retryer = aws.NopRetryer{}
			p.override(&o.BaseEndpoint)
		})
		answer, err := client.GetAuthorizationToken(ctx, nil)
		if err != nil || answer.AuthorizationData == nil {
			return "", time.Time{}, err
		}
		return aws.ToString(answer.AuthorizationData.AuthorizationToken), aws.ToTime(answer.AuthorizationData.ExpiresAt), nil
	}
	answer, err := p.ecrClient(config, oneTry).GetAuthorizationToken(ctx, nil)
	if err != nil || len(answer.AuthorizationData) == 0 {
		return "", time.Time{}, err
	}
	return aws.ToString(answer.AuthorizationData[0].AuthorizationToken), aws.ToTime(answer.AuthorizationData[0].ExpiresAt), nil
}

// oneTry leaves trying again to retryAttempt.
func oneTry(o *ecr.Options) { o.Retryer = aws.NopRetryer{} }

func (p awsPrincipal) ecrClient(config aws.Config, options ...func(*ecr.Options)) *ecr.Client {
	return ecr.NewFromConfig(config, append(options, func(o *ecr.Options) { p.override(&o.BaseEndpoint) })...)
}

// override puts the endpoint that was asked for in place of the one that the SDK found.
func (p awsPrincipal) override(endpoint **string) {
	if p.endpoint != "" {
		*endpoint = &p.endpoint
	}
}

// decodeToken reads base64 of "AWS:<password>".
func decodeToken(token string) (Credential, error) {
	decoded, err := base64.StdEncoding.DecodeString(token)
	username, password, found := strings.Cut(string(decoded), ":")
	if err != nil || !found {
		return Credential{}, newError(AWSTokenFormat, "AWS: GetAuthorizationToken did not answer with base64 of user:password")
	}
	return Credential{Username: username, Password: password}, nil
}
