package provider

import (
	"bytes"
	"context"
	"slices"
	"sync"

	"github.com/pulumi/pulumi/sdk/v3/go/property"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
)

// givenSecrets collects the secrets of all images of a provider, in memory. Images that are built on one builder share
// its cache mounts, so the mounts that one image saves may hold the secrets of another. It is safe for concurrent use.
type givenSecrets struct {
	mu     sync.Mutex
	values [][]byte
}

// add adds a secret, unless it is empty or there already.
func (g *givenSecrets) add(value []byte) {
	g.mu.Lock()
	defer g.mu.Unlock()
	isThere := slices.ContainsFunc(g.values, func(other []byte) bool { return bytes.Equal(value, other) })
	if len(value) > 0 && len(value) <= buildkit.SecretLimit && !isThere {
		g.values = append(g.values, bytes.Clone(value))
	}
}

// addInputs adds the values of the input secrets that are known.
func (g *givenSecrets) addInputs(inputs property.Map) {
	secrets := plainValue(inputs.Get("secrets"))
	if !secrets.IsMap() {
		return
	}
	for _, value := range secrets.AsMap().All {
		if value = plainValue(value); value.IsString() {
			g.add([]byte(value.AsString()))
		}
	}
}

// all returns the secrets, in the order in which they came.
func (g *givenSecrets) all() [][]byte {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.values)
}

// watch returns the secrets of a build, each of which is added when it is looked up. Solve does that before any step
// runs.
func (g *givenSecrets) watch(secrets map[string]buildkit.Secret) map[string]buildkit.Secret {
	watched := map[string]buildkit.Secret{}
	for id, secret := range secrets {
		watched[id] = func(ctx context.Context) ([]byte, error) {
			value, err := secret(ctx)
			if err == nil {
				g.add(value)
			}
			return value, err
		}
	}
	return watched
}
