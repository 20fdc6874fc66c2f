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

// Secret looks up the value of a secret that steps may mount: RUN --mount=type=secret,id=….
//
// Solve calls it once before the build starts, so that a missing secret ends the build at once. It calls it again
// whenever a step asks. The value goes from memory to the daemon's memory.
type Secret func(ctx context.Context) ([]byte, error)

// secretStore answers the daemon's requests for secrets during one solve. It hides a value from the time when it looks
// the value up.
type secretStore struct {
	values map[string]Secret // by id
	redact *redaction
	logins *logins // of URLs

	mu      sync.Mutex
	missing map[string]bool // ids that the daemon asked for and that were not given
}

// fill looks up every secret once. It returns an error that names a secret that is missing or too long.
func (s *secretStore) fill(ctx context.Context, values map[string]Secret) error {
	s.values, s.missing = values, map[string]bool{}
	for _, id := range slices.Sorted(maps.Keys(values)) {
		if _, err := s.lookup(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// lookup returns the value of a secret and hides it from then on.
// lookup returns the value of a secret and hides it from then on.
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

// GetSecret returns the value of a secret to the daemon. It returns secrets.ErrNotFound for one that was not given.
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

// attachable returns the part of the session that answers for secrets.
// attachable returns the part of the session that answers for secrets.
func (s *secretStore) attachable() session.Attachable { return secretsprovider.NewSecretProvider(s) }

// explain adds to the error of a failed step the missing secrets that the build asked for.
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

// isSourceCredential reports whether BuildKit itself asks for a secret when it fetches from git and http servers
// (source/git, source/http). Most servers need none.
func isSourceCredential(id string) bool {
	return strings.HasPrefix(id, "GIT_AUTH_") || strings.HasPrefix(id, "HTTP_AUTH_")
}
