package registry_test

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// busyAnswers are ways in which Amazon, or a proxy before it, asks to come back later.
var busyAnswers = map[string]registrytest.Fault{
	"503 page": func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		http.Error(w, "no", http.StatusServiceUnavailable)
	},
	"500 without words": func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.WriteHeader(http.StatusInternalServerError)
	},
	"throttled": apiFault("ThrottlingException", "Rate exceeded"),
	"closed":    registrytest.CloseConnection,
}

// TestECRTokenBurst holds that a token is asked for again, for us and for a daemon, where more tries are needed than
// the AWS SDK has.
func TestECRTokenBurst(t *testing.T) {
	t.Parallel()
	for name, broken := range busyAnswers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, pushed := range []bool{false, true} {
				e := registrytest.NewECR(t)
				e.Repository("app", "")
				image := registrytest.Image(t, "linux/amd64")
				e.Push(t, "app:1", image)
				e.Inject(registrytest.Rule{Operation: "GetAuthorizationToken", Times: 6, Fault: broken})
				keychain := amazonKeychain(t, e, "one")
				keychain.ECR.RetryWaits = make([]time.Duration, 6)
				_, err := singleTryClient(keychain).Resolve(t.Context(), parseTag(t, e.Host()+"/app:1"))
				if pushed {
					err = pushWithRetry(t.Context(), singleTryClient(keychain), tellNobody,
						func(ctx context.Context) error { return daemonPush(ctx, t, keychain, e.Host()+"/app", image) })
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// TestECRTokenBurstThatLasts holds that the tries end with the last reason in readable words, and that the next lookup
// asks AWS anew.
func TestECRTokenBurstThatLasts(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"503 page":          "503 service unavailable",
		"500 without words": "500 internal server error",
		"throttled":         "Rate exceeded",
	}
	for name, want := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := registrytest.NewECR(t)
			e.Inject(registrytest.Rule{Operation: "GetAuthorizationToken", Times: 3, Fault: busyAnswers[name]})
			keychain := amazonKeychain(t, e, "one")
			keychain.ECR.RetryWaits = make([]time.Duration, 2)
			_, err := keychain.Lookup(t.Context(), e.Host())
			told := regexp.MustCompile("^credentials for " + e.Host() + ": AWS: " + want + ` \(tried 3 times in \S+\)$`)
			if !told.MatchString(fmt.Sprint(err)) {
				t.Errorf("got  %v\nwant %s", err, told)
			}
			if _, err := keychain.Lookup(t.Context(), e.Host()); err != nil {
				t.Errorf("the next one: %v", err)
			}
		})
	}
}

// TestECRProxyPage holds that an answer that is not from AWS, and will not pass, is not asked for again.
func TestECRProxyPage(t *testing.T) {
	t.Parallel()
	e := registrytest.NewECR(t)
	e.Inject(registrytest.Rule{Operation: "GetAuthorizationToken",
		Fault: func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
			http.Error(w, "<h1>who are you?</h1>", http.StatusForbidden)
		}})
	_, err := amazonKeychain(t, e, "one").Lookup(t.Context(), e.Host())
	expectError(t, err, fault.ErrUnauthorized, "credentials for "+e.Host()+": AWS: 403 forbidden, which is no answer "+
		"of "+
		"AWS's")
}

// TestECRRoleBurst holds that the cache does not remember a failure of STS either.
func TestECRRoleBurst(t *testing.T) {
	e := registrytest.NewECR(t)
	t.Setenv("AWS_ENDPOINT_URL_STS", e.Endpoint())
	t.Setenv("AWS_MAX_ATTEMPTS", "1")
	var asked atomic.Int64
	e.Wrap(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if req.URL.Path == "/" && req.Header.Get("X-Amz-Target") == "" && asked.Add(1) <= 6 {
				http.Error(w, "no", http.StatusServiceUnavailable)
				return
			}
			next.ServeHTTP(w, req)
		})
	})
	keychain := amazonKeychain(t, e, "one")
	keychain.ECR.RoleARN = "arn:aws:iam::123456789012:role/PUSH"
	keychain.ECR.RetryWaits = make([]time.Duration, 2)
	if _, err := keychain.Lookup(t.Context(), e.Host()); err == nil || asked.Load() != 3 {
		t.Errorf("%d requests: %v", asked.Load(), err)
	}
	keychain.ECR.RetryWaits = make([]time.Duration, 3)
	if _, err := keychain.Lookup(t.Context(), e.Host()); err != nil {
		t.Errorf("the next one: %v", err)
	}
}
