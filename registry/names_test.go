package registry_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// wordy are names of repositories that are in the words of registries too, whole or in part.
var wordy = []string{"auth", "token", "registry", "imm", "immutable"}

// TestNamesThatAreWords: what a registry says is understood whatever the repository is called, by ourselves and through
// a daemon.
func TestNamesThatAreWords(t *testing.T) {
	t.Parallel()
	for _, name := range wordy {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := registrytest.NewECR(t)
			e.Repository(name, registrytest.Immutable)
			e.Push(t, name+":1", registrytest.Image(t, "linux/amd64"))
			other := e.Push(t, name, registrytest.Image(t, "linux/amd64"))
			keychain, tag := amazon(t, e, "one"), parseTag(t, e.Host()+"/"+name+":1")
			client := once(keychain)
			_, _ = client.Resolve(t.Context(), tag)
			e.Advance(13 * time.Hour)
			if _, err := client.Resolve(t.Context(), tag); err != nil {
				t.Errorf("the token is not renewed: %v", err)
			}
			_, err := client.SetTags(t.Context(), tag.Repository(), other, []registry.Tag{tag})
			expectIs(t, err, fault.ErrImmutableTag)
			e.Advance(13 * time.Hour)
			expectIs(t, pushOnce(t, keychain, tag.Repository()), nil)
			missing := registrytest.NewECR(t)
			err = pushOnce(t, amazon(t, missing, "one"), missing.Host()+"/"+name)
			expect(t, err, fault.ErrNoRepository, "pushing to "+missing.Host()+"/"+name+": no such repository: The repository with name '"+name+
				"' does not exist in the registry with id '123456789012'", fault.RepositoryMissing)
		})
	}
}

func pushOnce(t *testing.T, keychain *registry.Keychain, repository string) error {
	t.Helper()
	image := registrytest.Image(t, "linux/amd64")
	return pushWithRetry(t.Context(), patient(keychain), untold, func(ctx context.Context) error { return daemonPush(ctx, t, keychain, repository, image) })
}

// TestNamesThatAreNoAnswer: a repository that is called like an answer gets another one nevertheless.
func TestNamesThatAreNoAnswer(t *testing.T) {
	t.Parallel()
	for _, said := range []string{
		"no room for 'team/immutable'", `{"name":"team/immutable"}`, "cannot write arn:aws:ecr:eu-west-1:123456789012:repository/team/immutable",
		"team/immutable is read-only",
	} {
		r := registrytest.New(t)
		digest := r.Push(t, "team/immutable", registrytest.Image(t, "linux/amd64"))
		r.Wrap(registrytest.Intercept(http.MethodPut, "/manifests/1", refusal(http.StatusForbidden, "DENIED", said)))
		tag := parseTag(t, r.Host()+"/team/immutable:1")
		_, err := anonymous(t).SetTags(t.Context(), tag.Repository(), digest, []registry.Tag{tag})
		expectIs(t, err, fault.ErrDenied)
	}
}

func expectIs(t *testing.T, err, sentinel error) {
	t.Helper()
	if !errors.Is(err, sentinel) {
		t.Errorf("%v is no %v", err, sentinel)
	}
}
