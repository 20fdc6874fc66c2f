package registry_test

import (
	"context"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// TestPushRetriesAfterTokenServer holds that a push is tried again after a login whose tries are over.
func TestPushRetriesAfterTokenServer(t *testing.T) {
	t.Parallel()
	r := registrytest.New(t)
	r.AskForTokens("", "user", canary)
	r.Inject(registrytest.Rule{Path: registrytest.TokenPath, Times: 5,
		Fault: registrytest.Status(503, "UNAVAILABLE", "later", "")})
	keychain := dockerKeychain(t, `{}`, registry.Login{Address: r.Host(), Username: "user", Password: canary})
	impatient := registry.New(keychain, registry.Options{RetryWaits: []time.Duration{time.Millisecond}})
	tries := 0
	err := pushWithRetry(t.Context(), patientClient(keychain), tellNobody, func(ctx context.Context) error {
		tries++
		_, err := impatient.Token(ctx, registry.TokenRequest{Host: r.Host(), Realm: "http://" + r.Host() +
			registrytest.TokenPath, Scopes: []string{"repository:app:pull,push"}})
		if err != nil {
			return newDaemonError(r.Host()+"/app", "failed to authorize: "+registry.ForDaemon(err).Error())
		}
		return nil
	})
	if err != nil || tries != 3 {
		t.Errorf("%d tries: %v", tries, err)
	}
}

// TestPushRetriesAfterAWS holds that a push is tried again where AWS fails for longer than the tries of one login.
func TestPushRetriesAfterAWS(t *testing.T) {
	t.Parallel()
	e := registrytest.NewECR(t)
	e.Repository("app", "")
	e.Inject(registrytest.Rule{Operation: "GetAuthorizationToken", Times: 3,
		Fault: registrytest.Status(503, "UNAVAILABLE", "later", "")})
	keychain, tries := amazonKeychain(t, e, "one"), 0
	keychain.ECR.RetryWaits = make([]time.Duration, 1)
	image := registrytest.Image(t, "linux/amd64")
	err := pushWithRetry(t.Context(), patientClient(keychain), tellNobody, func(ctx context.Context) error {
		tries++
		return daemonPush(ctx, t, keychain, e.Host()+"/app", image)
	})
	if err != nil || tries != 2 {
		t.Errorf("%d tries: %v", tries, err)
	}
}

// TestPushRenewsEveryToken holds that a push renews the token of each of its registries.
func TestPushRenewsEveryToken(t *testing.T) {
	t.Parallel()
	expired := []string{registrytest.NewECR(t).Host(), registrytest.NewECR(t).Host()}
	e := registrytest.NewECR(t)
	keychain, tries := amazonKeychain(t, e, "one"), 0
	keychain.ECR.Hosts = append(keychain.ECR.Hosts, expired...)
	err := pushWithRetry(t.Context(), patientClient(keychain), tellNobody, func(ctx context.Context) error {
		if tries++; tries > len(expired) {
			return nil
		}
		host := expired[tries-1]
		if _, err := keychain.Lookup(ctx, host); err != nil {
			return err
		}
		return newDaemonError(host+"/app", "denied: Your authorization token has expired. Reauthenticate and try "+
			"again.")
	})
	if err != nil || tries != 3 {
		t.Errorf("%d tries: %v", tries, err)
	}
}

// TestPushRenewsTheToken holds that a push renews a token that expires half-way, and one that the registry refuses at
// the begin.
func TestPushRenewsTheToken(t *testing.T) {
	t.Parallel()
	e := registrytest.NewECR(t)
	e.Repository("app", "")
	keychain, tries := amazonKeychain(t, e, "one"), 0
	image := registrytest.Image(t, "linux/amd64")
	err := pushWithRetry(t.Context(), patientClient(keychain), tellNobody, func(ctx context.Context) error {
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
