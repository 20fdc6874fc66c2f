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

// wordyNames are names of repositories that are words of registries too, whole or in part.
var wordyNames = []string{"auth", "token", "registry", "imm", "immutable"}

// TestNamesThatAreWords holds that an answer is understood whatever the repository's name, for us and for a daemon.
func TestNamesThatAreWords(t *testing.T) {
	t.Parallel()
	for _, name := range wordyNames {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := registrytest.NewECR(t)
			e.Repository(name, registrytest.Immutable)
			e.Push(t, name+":1", registrytest.Image(t, "linux/amd64"))
			other := e.Push(t, name, registrytest.Image(t, "linux/amd64"))
			keychain, tag := amazonKeychain(t, e, "one"), parseTag(t, e.Host()+"/"+name+":1")
			client := singleTryClient(keychain)
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
			err = pushOnce(t, amazonKeychain(t, missing, "one"), missing.Host()+"/"+name)
			expectError(t, err, fault.ErrNoRepository,
				"pushing to "+missing.Host()+"/"+name+": no such repository: The "+
					"repository with name '"+name+
					"' does not exist in the registry with id '123456789012'", fault.RepositoryMissing)
		})
	}
}

// pushOnce pushes an image as a daemon does, and returns the explained error.
func pushOnce(t *testing.T, keychain *registry.Keychain, repository string) error {
	t.Helper()
	image := registrytest.Image(t, "linux/amd64")
	return pushWithRetry(t.Context(), patientClient(keychain), tellNobody,
		func(ctx context.Context) error { return daemonPush(ctx, t, keychain, repository, image) })
}

// TestNamesThatAreNoAnswer holds that a repository whose name looks like an answer does not change the answer.
func TestNamesThatAreNoAnswer(t *testing.T) {
	t.Parallel()
	for _, said := range []string{
		"no room for 'team/immutable'", `{"name":"team/immutable"}`,
		"cannot write arn:aws:ecr:eu-west-1:123456789012:repository/team/immutable",
		"team/immutable is read-only",
	} {
		r := registrytest.New(t)
		digest := r.Push(t, "team/immutable", registrytest.Image(t, "linux/amd64"))
		r.Wrap(registrytest.Intercept(http.MethodPut, "/manifests/1", refuse(http.StatusForbidden, "DENIED", said)))
		tag := parseTag(t, r.Host()+"/team/immutable:1")
		_, err := anonymousClient(t).SetTags(t.Context(), tag.Repository(), digest, []registry.Tag{tag})
		expectIs(t, err, fault.ErrDenied)
	}
}

// expectIs fails the test if errors.Is does not find the sentinel.
func expectIs(t *testing.T, err, sentinel error) {
	t.Helper()
	if !errors.Is(err, sentinel) {
		t.Errorf("%v is no %v", err, sentinel)
	}
}
