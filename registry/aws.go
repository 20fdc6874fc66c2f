package registry

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/logging"
	"golang.org/x/sync/singleflight"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
)

const (
	// tokenTimeout bounds all tries to get a token. A daemon that asks for credentials waits a minute for the answer.
	tokenTimeout = 45 * time.Second
	// tokenTryTimeout bounds one way to a token: SSO, STS, the metadata of the machine, Amazon ECR.
	tokenTryTimeout = 30 * time.Second
	// noneFor is how long a principal without credentials is not asked again: a machine that is none of Amazon's may take seconds to find
	// that out, and a push asks several times.
	noneFor = 30 * time.Second
)

// tokenBackoff are the pauses between the tries, in which 30 s of trouble at Amazon pass.
var tokenBackoff = backoff{time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 8 * time.Second, 8 * time.Second, 8 * time.Second}

// awsAccess is what this process knows of principals, until when. It is shared by all keychains, so that fifty images cost one token.
type awsAccess struct {
	mu      sync.Mutex
	configs map[awsPrincipal]aws.Config
	tokens  map[awsPrincipal]ecrToken
	flights singleflight.Group
}

var sharedAccess = &awsAccess{configs: map[awsPrincipal]aws.Config{}, tokens: map[awsPrincipal]ecrToken{}}

// ecrToken is a token, or the reason why there is none. Until then nobody is asked for another one.
type ecrToken struct {
	credential     Credential
	err            error
	until, expires time.Time
}

// token is given out in the first half of its life only: who got it has hours left to push. All who ask at once share one call.
func (a *awsAccess) token(ctx context.Context, p awsPrincipal, pauses backoff) (Credential, error) {
	if known, ok := a.known(p); ok {
		return known.credential, known.err
	}
	flight := a.flights.DoChan(fmt.Sprint(p), func() (any, error) { //nolint:forbidigo // rescue.Value is in it
		// Whoever came first may give up; the others still wait.
		ctx, stop := context.WithTimeoutCause(context.WithoutCancel(ctx), tokenTimeout, newSilent(tokenTimeout))
		defer stop()
		return rescue.Value(func() (ecrToken, error) { return a.refreshToken(ctx, p, pauses), nil })
	})
	select {
	case landed := <-flight:
		if landed.Err != nil {
			return Credential{}, landed.Err
		}
		fresh := landed.Val.(ecrToken)
		return fresh.credential, fresh.err
	case <-ctx.Done():
		return Credential{}, context.Cause(ctx)
	}
}

func (a *awsAccess) known(p awsPrincipal) (ecrToken, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	known, ok := a.tokens[p]
	return known, ok && time.Now().Before(known.until)
}

// refreshToken asks for a token, keeps and returns it. It rechecks what is kept first, since another call may have just
// filled it. If the refresh fails and the old token is still valid, it returns the old one, and makes no retry.
func (a *awsAccess) refreshToken(ctx context.Context, p awsPrincipal, pauses backoff) ecrToken {
	if known, ok := a.known(p); ok {
		return known
	}
	if _, lasts := a.unexpiredToken(p); lasts {
		pauses = backoff{}
	}
	fresh := a.fetchToken(ctx, p, pauses)
	old, lasts := a.unexpiredToken(p)
	a.mu.Lock()
	defer a.mu.Unlock()
	if fresh.err != nil {
		delete(a.configs, p) // somebody may log in meanwhile
	}
	if fresh.err != nil && lasts {
		return old
	}
	a.tokens[p] = fresh
	return fresh
}

// unexpiredToken returns the token that is kept. ok is false when there is none or it has expired.
func (a *awsAccess) unexpiredToken(p awsPrincipal) (ecrToken, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	old, ok := a.tokens[p]
	return old, ok && old.err == nil && time.Now().Before(old.expires)
}

// forget drops a token that was refused, if it is still the one that is kept.
func (a *awsAccess) forget(p awsPrincipal, refused Credential) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.tokens[p].credential == refused {
		delete(a.tokens, p)
		delete(a.configs, p)
	}
}

// config returns the configuration of a principal, which it reads from ~/.aws and the environment. It calls nobody.
func (a *awsAccess) config(ctx context.Context, p awsPrincipal) (aws.Config, error) {
	a.mu.Lock()
	known, ok := a.configs[p]
	a.mu.Unlock()
	if ok {
		return known, nil
	}
	loaded, err := p.loadConfig(ctx)
	if err != nil {
		return aws.Config{}, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if known, ok := a.configs[p]; ok { // somebody was faster; credentials are kept in it
		return known, nil
	}
	a.configs[p] = loaded
	return loaded, nil
}

// loadConfig reads the configuration of a principal.
func (p awsPrincipal) loadConfig(ctx context.Context) (aws.Config, error) {
	if err := checkFiles(amazonFiles); err != nil {
		return aws.Config{}, err
	}
	loaded, err := config.LoadDefaultConfig(ctx, p.options()...)
	if err != nil || p.role == "" {
		return loaded, err
	}
	assumed := stscreds.NewAssumeRoleProvider(sts.NewFromConfig(loaded), p.role)
	loaded.Credentials = aws.NewCredentialsCache(assumed)
	return loaded, nil
}

func (p awsPrincipal) options() []func(*config.LoadOptions) error {
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

// profileName is what a person would write after --profile.
func (p awsPrincipal) profileName() string {
	return cmp.Or(p.profile, os.Getenv("AWS_PROFILE"), os.Getenv("AWS_DEFAULT_PROFILE"), "default")
}
