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

// mint asks Amazon ECR for a token. Where the credentials for that are missing, and not merely the way to Amazon, the answer holds for a
// while.
func (a *awsAccess) mint(ctx context.Context, p awsPrincipal) ecrToken {
	began := time.Now()
	config, err := a.config(ctx, p)
	if err != nil {
		return ecrToken{err: p.explain(ctx, err), until: began.Add(noneFor)}
	}
	if _, err := config.Credentials.Retrieve(ctx); err != nil {
		return ecrToken{err: p.explain(ctx, err), until: time.Now().Add(noneFor)}
	}
	answered, expires, err := authorizationToken(ctx, config, p)
	if err != nil {
		return ecrToken{err: p.explain(ctx, err)}
	}
	credential, err := decodeToken(answered)
	if err != nil {
		return ecrToken{err: err}
	}
	return ecrToken{credential: credential, until: began.Add(expires.Sub(began) / 2), expires: expires}
}

// authorizationToken calls GetAuthorizationToken, whose tokens are good for 12 hours.
func authorizationToken(ctx context.Context, config aws.Config, p awsPrincipal) (token string, expires time.Time, err error) {
	if p.public {
		client := ecrpublic.NewFromConfig(config, func(o *ecrpublic.Options) { p.override(&o.BaseEndpoint) })
		answer, err := client.GetAuthorizationToken(ctx, nil)
		if err != nil || answer.AuthorizationData == nil {
			return "", time.Time{}, err
		}
		return aws.ToString(answer.AuthorizationData.AuthorizationToken), aws.ToTime(answer.AuthorizationData.ExpiresAt), nil
	}
	answer, err := p.ecrClient(config).GetAuthorizationToken(ctx, nil)
	if err != nil || len(answer.AuthorizationData) == 0 {
		return "", time.Time{}, err
	}
	return aws.ToString(answer.AuthorizationData[0].AuthorizationToken), aws.ToTime(answer.AuthorizationData[0].ExpiresAt), nil
}

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
		return Credential{}, errors.New("AWS: GetAuthorizationToken did not answer with base64 of user:password; check ecr.endpoint")
	}
	return Credential{Username: username, Password: password}, nil
}
