package buildkit

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/secrets"
	"github.com/moby/buildkit/session/secrets/secretsprovider"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
)

// SecretLimit is the most bytes that BuildKit takes for a secret (session/secrets/secretsprovider).
const SecretLimit = secretsprovider.MaxSecretSize

// Secret looks up the value of a secret that steps may mount: RUN --mount=type=secret,id=…. It is called once before the build starts,
// so that one that is missing ends it at once, and again whenever a step asks. The value goes from memory to the daemon's memory.
type Secret func(ctx context.Context) ([]byte, error)

// secretStore hands out the secrets of one solve, and what it hands out is redacted from then on.
type secretStore struct {
	values map[string]Secret // by id
	redact *redaction
	logins *logins // of URLs

	mu      sync.Mutex
	missing map[string]bool // ids that were asked for and are not there
}

// fill looks every secret up once. The error names the one that is not there or too long.
func (s *secretStore) fill(ctx context.Context, values map[string]Secret) error {
	s.values, s.missing = values, map[string]bool{}
	for _, id := range slices.Sorted(maps.Keys(values)) {
		if _, err := s.lookup(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

func (s *secretStore) lookup(ctx context.Context, id string) ([]byte, error) {
	value, err := s.values[id](ctx)
	if err == nil && len(value) > SecretLimit {
		err = fmt.Errorf("it has %d bytes, BuildKit takes %d at most", len(value), SecretLimit)
	}
	if err != nil {
		return nil, fmt.Errorf("the secret %q: %w", id, err)
	}
	s.redact.learn(string(value))
	return value, nil
}

// GetSecret answers the daemon.
func (s *secretStore) GetSecret(ctx context.Context, id string) ([]byte, error) {
	if s.values[id] != nil {
		return rescue.Value(func() ([]byte, error) { return s.lookup(ctx, id) })
	}
	if value, ok := s.logins.secret(id); ok {
		return value, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.missing[id] = true
	return nil, secrets.ErrNotFound
}

func (s *secretStore) attachable() session.Attachable { return secretsprovider.NewSecretProvider(s) }

// explain notes in the error of a failed step which secrets were asked for in vain.
func (s *secretStore) explain(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if step, ok := errors.AsType[*StepError](err); ok {
		for _, id := range slices.Sorted(maps.Keys(s.missing)) {
			if !isSourceCredential(id) {
				step.MissingSecrets = append(step.MissingSecrets, id)
			}
		}
	}
	return err
}

// isSourceCredential knows the secrets that BuildKit itself asks for when it fetches from git and http servers; most need none
// (source/git, source/http).
func isSourceCredential(id string) bool {
	return strings.HasPrefix(id, "GIT_AUTH_") || strings.HasPrefix(id, "HTTP_AUTH_")
}
