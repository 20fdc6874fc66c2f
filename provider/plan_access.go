package provider

import (
	"context"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
)

// newAccess returns what a build may use besides its inputs. Images are loaded into an engine. It returns an error if a
// cache lacks something that the environment should give, or if the engine cannot hold the image.
func newAccess(
	ctx context.Context, op operation, client *registry.Client, into loadTargetFunc,
) (buildkit.Access, error) {
	from, to, err := caches(op.args)
	if err != nil {
		return buildkit.Access{}, err
	}
	exports, err := otherExports(ctx, op, into)
	if err != nil {
		return buildkit.Access{}, err
	}
	return buildkit.Access{
		Credentials: func(ctx context.Context, host string) (buildkit.Credential, error) {
			c, err := op.keychain.Lookup(ctx, host)
			credential := buildkit.Credential{
				Username:      c.Username,
				Password:      c.Password,
				IdentityToken: c.IdentityToken,
			}
			return credential, registry.ForDaemon(err)
		},
		Tokens: func(ctx context.Context, r buildkit.TokenRequest) (string, time.Duration, error) {
			token, err := client.Token(ctx, registry.TokenRequest(r))
			return token.Token, token.ExpiresIn, registry.ForDaemon(err)
		},
		Secrets:   secretsOf(op.args),
		SSH:       agentsOf(op.args),
		Exports:   watchExports(op.waits, exports),
		CacheFrom: from,
		CacheTo:   to,
	}, nil
}

// secretsOf returns the secrets that steps can mount, by id.
func secretsOf(a ImageArgs) map[string]buildkit.Secret {
	all := map[string]buildkit.Secret{}
	for id, value := range a.Secrets {
		all[id] = func(context.Context) ([]byte, error) { return []byte(value), nil }
	}
	for id, source := range a.SecretSources {
		all[id] = source.read
	}
	return all
}

// agentsOf returns the SSH agents for BuildKit.
func agentsOf(a ImageArgs) []buildkit.SSHAgent {
	var agents []buildkit.SSHAgent
	for _, s := range a.SSH {
		agents = append(agents, buildkit.SSHAgent{ID: s.ID, Paths: s.Paths})
	}
	return agents
}
