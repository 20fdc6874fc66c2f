package ecr

import (
	"cmp"
	"context"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	awsecr "github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecrpublic"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/logging"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// principal is who asks for a token, and where: a token is good for all accounts that let the principal in, in one
// region.
type principal struct {
	profile, role, endpoint, region string
	public, fips, dualStack         bool
}

// files are those that the AWS SDK reads by itself; see fault.CheckFiles.
var files = map[string]string{
	"AWS_CONFIG_FILE": ".aws/config", "AWS_SHARED_CREDENTIALS_FILE": ".aws/credentials", "AWS_CA_BUNDLE": "",
	"AWS_WEB_IDENTITY_TOKEN_FILE": "", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "",
}

// loadConfig reads the configuration of a principal from ~/.aws and the environment. It calls no service.
func (p principal) loadConfig(ctx context.Context) (aws.Config, error) {
	if err := fault.CheckFiles(files); err != nil {
		return aws.Config{}, err
	}
	loaded, err := config.LoadDefaultConfig(ctx, p.options()...)
	if err != nil || p.role == "" {
		return loaded, err
	}
	role := stscreds.NewAssumeRoleProvider(sts.NewFromConfig(loaded), p.role)
	loaded.Credentials = aws.NewCredentialsCache(role)
	return loaded, nil
}

// options returns what the SDK needs to know to load the configuration.
func (p principal) options() []func(*config.LoadOptions) error {
	options := []func(*config.LoadOptions) error{
		config.WithRegion(p.region),
		config.WithLogger(logging.Nop{}), // it would write to stderr
	}
	if p.profile != "" {
		options = append(options, config.WithSharedConfigProfile(p.profile))
	}
	if p.endpoint != "" { // the SDK takes no other endpoint for hosts of these kinds
		return options
	}
	if p.fips {
		options = append(options, config.WithUseFIPSEndpoint(aws.FIPSEndpointStateEnabled))
	}
	if p.dualStack {
		options = append(options, config.WithUseDualStackEndpoint(aws.DualStackEndpointStateEnabled))
	}
	return options
}

// profileName returns what a person would write after --profile.
func (p principal) profileName() string {
	return cmp.Or(p.profile, os.Getenv("AWS_PROFILE"), os.Getenv("AWS_DEFAULT_PROFILE"), "default")
}

// client returns a client of Amazon ECR's API that tries once. Trying again is left to fault.Retry.
func (p principal) client(config aws.Config) *awsecr.Client {
	return awsecr.NewFromConfig(config, func(o *awsecr.Options) {
		o.Retryer = aws.NopRetryer{}
		p.setEndpoint(&o.BaseEndpoint)
	})
}

// setEndpoint puts the endpoint of the principal, if it has one, in place of the one that the SDK found.
func (p principal) setEndpoint(endpoint **string) {
	if p.endpoint != "" {
		*endpoint = &p.endpoint
	}
}

// authorizationToken calls GetAuthorizationToken, whose tokens are good for 12 hours.
func (p principal) authorizationToken(
	ctx context.Context, config aws.Config,
) (text string, expires time.Time, err error) {
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
