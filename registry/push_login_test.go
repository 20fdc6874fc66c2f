package registry_test

import (
	"context"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// TestPushOutlivesATokenServer: what the login could not wait for, the push can.
func TestPushOutlivesATokenServer(t *testing.T) {
	t.Parallel()
	r := registrytest.New(t)
	r.AskForTokens("", "user", canary)
	r.Inject(registrytest.Rule{Path: registrytest.TokenPath, Times: 5, Fault: registrytest.Status(503, "UNAVAILABLE", "later", "")})
	keychain := dockerConfig(t, `{}`, registry.Login{Address: r.Host(), Username: "user", Password: canary})
	impatient := registry.New(keychain, registry.Options{RetryWaits: []time.Duration{time.Millisecond}})
	tries := 0
	err := pushWithRetry(t.Context(), patient(keychain), untold, func(ctx context.Context) error {
		tries++
		_, err := impatient.Token(ctx, registry.TokenRequest{Host: r.Host(), Realm: "http://" + r.Host() + registrytest.TokenPath, Scopes: []string{"repository:app:pull,push"}})
		if err != nil {
			return said(r.Host()+"/app", "failed to authorize: "+registry.ForDaemon(err).Error())
		}
		return nil
	})
	if err != nil || tries != 3 {
		t.Errorf("%d tries: %v", tries, err)
	}
}

// TestPushOutlivesAWS: its trouble may last longer than one login waits.
func TestPushOutlivesAWS(t *testing.T) {
	t.Parallel()
	e := registrytest.NewECR(t)
	e.Repository("app", "")
	e.Inject(registrytest.Rule{Operation: "GetAuthorizationToken", Times: 3, Fault: registrytest.Status(503, "UNAVAILABLE", "later", "")})
	keychain, tries := amazon(t, e, "one"), 0
	keychain.ECR.RetryWaits = make([]time.Duration, 1)
	image := registrytest.Image(t, "linux/amd64")
	err := pushWithRetry(t.Context(), patient(keychain), untold, func(ctx context.Context) error {
		tries++
		return daemonPush(ctx, t, keychain, e.Host()+"/app", image)
	})
	if err != nil || tries != 2 {
		t.Errorf("%d tries: %v", tries, err)
	}
}

// TestPushRenewsEveryToken: of each registry that it pushes to.
func TestPushRenewsEveryToken(t *testing.T) {
	t.Parallel()
	expired := []string{registrytest.NewECR(t).Host(), registrytest.NewECR(t).Host()}
	e := registrytest.NewECR(t)
	keychain, tries := amazon(t, e, "one"), 0
	keychain.ECR.Hosts = append(keychain.ECR.Hosts, expired...)
	err := pushWithRetry(t.Context(), patient(keychain), untold, func(ctx context.Context) error {
		if tries++; tries > len(expired) {
			return nil
		}
		host := expired[tries-1]
		if _, err := keychain.Lookup(ctx, host); err != nil {
			return err
		}
		return said(host+"/app", "denied: Your authorization token has expired. Reauthenticate and try again.")
	})
	if err != nil || tries != 3 {
		t.Errorf("%d tries: %v", tries, err)
	}
}

// TestPushRenewsTheToken: half-way through, and the daemon asks again; and before, when all that it gets is a refusal.
func TestPushRenewsTheToken(t *testing.T) {
	t.Parallel()
	e := registrytest.NewECR(t)
	e.Repository("app", "")
	keychain, tries := amazon(t, e, "one"), 0
	image := registrytest.Image(t, "linux/amd64")
	err := pushWithRetry(t.Context(), patient(keychain), untold, func(ctx context.Context) error {
		if tries++; tries == 1 {
			if _, err := keychain.Lookup(ctx, e.Host()); err != nil {
				return err
			}
			e.Advance(13 * time.Hour)
		}
		return daemonPush(ctx, t, keychain, e.Host()+"/app", image)
	})
	if err != nil || tries != 2 || e.Calls("GetAuthorizationToken") != 2 {
		t.Errorf("%v after %d tries, %d tokens", err, tries, e.Calls("GetAuthorizationToken"))
	}
}
