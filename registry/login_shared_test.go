package registry_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// TestSlowHelperBlocksNoOtherCall holds that a caller that waits for a helper blocks neither a caller of the same
// registry, whose context ends, nor one of another registry.
func TestSlowHelperBlocksNoOtherCall(t *testing.T) {
	t.Parallel()
	slow, other := registrytest.New(t), registrytest.New(t)
	slow.AskForTokens("", "user", "pass")
	digest := other.Push(t, "app:1", registrytest.Image(t, "linux/amd64"))
	other.Wrap(requireBasicLogin("user", "pass"))
	keychain := dockerKeychain(t,
		`{"credHelpers":{"`+slow.Host()+`":"slow"},"auths":{"`+other.Host()+`":{"auth":"dXNlcjpwYXNz"}}}`)
	asked := make(chan registry.Wait, 10)
	keychain.Watch = func(wait registry.Wait) (end func()) {
		asked <- wait
		return func() {}
	}
	client := registry.New(keychain, registry.Options{})
	resolve := func(ctx context.Context, host string) (string, error) {
		return client.Resolve(ctx, parseTag(t, host+"/app:1"))
	}
	first, leave := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := resolve(first, slow.Host())
		done <- err
	}()
	if wait := <-asked; wait.Kind != registry.WaitHelper {
		t.Fatalf("waits for %v", wait)
	}
	if got, err := resolve(t.Context(), other.Host()); err != nil || got != digest {
		t.Errorf("another registry: %s, %v", got, err)
	}
	impatient, stop := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, errors.New("nobody waits for it"))
	defer stop()
	ended := make(chan error, 1)
	go func() {
		_, err := resolve(impatient, slow.Host())
		ended <- err
	}()
	select {
	case err := <-ended:
		// On a slow machine the time ends before the login is asked for.
		if err == nil || !strings.HasPrefix(err.Error(), "resolving "+slow.Host()+"/app:1: ") ||
			!strings.HasSuffix(err.Error(), "nobody waits for it") {
			t.Errorf("who gave up: %v", err)
		}
	case err := <-done:
		t.Errorf("the first one ended: %v", err)
	case <-time.After(10 * time.Second):
		t.Error("who gave up still waits")
	}
	leave()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("the first one: %v", err)
	}
	if len(asked) > 0 {
		t.Errorf("the helper was asked again: %v", <-asked)
	}
}
