package registry_test

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// patientClient returns a client that tries as often as a default client does in 30 s and more, without the pauses.
func patientClient(keychain *registry.Keychain) *registry.Client {
	waits := make([]time.Duration, 8)
	return registry.New(keychain, registry.Options{RetryWaits: waits, Timeout: 500 * time.Millisecond})
}

// TestRetries holds that a request is tried again after a failure that is likely to pass, also a PUT with its whole
// body.
func TestRetries(t *testing.T) {
	t.Parallel()
	status := registrytest.Status
	faults := map[string]registrytest.Fault{
		"408": status(http.StatusRequestTimeout, "UNKNOWN", "no", ""),
		"429": status(http.StatusTooManyRequests, "TOOMANYREQUESTS", "Rate exceeded", "0"),
		"429, a date": status(http.StatusTooManyRequests, "TOOMANYREQUESTS", "Rate exceeded",
			"Fri, 20 Nov 2020 10:00:00 GMT"),
		"500": status(http.StatusInternalServerError, "UNKNOWN", "no", ""),
		"502 page": func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
			http.Error(w, "<h1>no</h1>", http.StatusBadGateway)
		},
		"503":          status(http.StatusServiceUnavailable, "UNAVAILABLE", "no", ""),
		"504":          status(http.StatusGatewayTimeout, "UNKNOWN", "no", ""),
		"reset":        registrytest.Reset(0),
		"reset answer": registrytest.ResetAnswer(0),
		"closed":       registrytest.CloseConnection,
		"stalled":      registrytest.Stall,
	}
	places := map[string]registrytest.Rule{
		"ping": {Path: "/v2/", Method: http.MethodGet}, "HEAD": {Method: http.MethodHead},
		"PUT": {Method: http.MethodPut},
		"GET": {Method: http.MethodGet, Path: "/manifests/"},
	}
	for what, broken := range faults {
		for where, rule := range places {
			t.Run(what+" at "+where, func(t *testing.T) {
				t.Parallel()
				r := registrytest.New(t)
				digest := r.Push(t, "app", registrytest.Image(t, "linux/amd64"))
				rule.Fault, rule.Times = broken, 3
				if what == "stalled" {
					rule.Times = 1
				}
				r.Inject(rule)
				tag := parseTag(t, r.Host()+"/app:1")
				client := patientClient(dockerKeychain(t, `{}`))
				if _, err := client.SetTags(t.Context(), tag.Repository(), digest, []registry.Tag{tag}); err != nil {
					t.Error(err)
				}
				if held, err := client.Resolve(t.Context(), tag); held != digest {
					t.Errorf("%s holds %s, %v", tag, held, err)
				}
			})
		}
	}
}

// TestRetriesEnd holds that the error says what was tried.
func TestRetriesEnd(t *testing.T) {
	t.Parallel()
	r := registrytest.New(t)
	r.Inject(registrytest.Rule{Path: "/manifests/", Fault: registrytest.Status(http.StatusServiceUnavailable,
		"UNAVAILABLE", "disk full", "")})
	client := registry.New(dockerKeychain(t, `{}`), registry.Options{RetryWaits: make([]time.Duration, 8)})
	_, err := client.Resolve(t.Context(), parseTag(t, r.Host()+"/app:1"))
	want := regexp.MustCompile(`^resolving .*/app:1: 503 service unavailable \(tried 9 times in [\d.]+m?s\)$`)
	if !want.MatchString(fmt.Sprint(err)) {
		t.Error(err)
	}
	if heads := countRequests(r, http.MethodHead); heads != 9 {
		t.Errorf("%d HEADs, want 9", heads)
	}
}

// TestNoRetries holds that a failure that is not likely to pass is returned at once.
func TestNoRetries(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusBadRequest, http.StatusForbidden, http.StatusNotFound,
		http.StatusMethodNotAllowed, http.StatusTeapot} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			r := registrytest.New(t)
			digest := r.Push(t, "app", registrytest.Image(t, "linux/amd64"))
			before := countRequests(r, http.MethodPut)
			r.Inject(registrytest.Rule{Method: http.MethodPut, Fault: registrytest.Status(status, "UNKNOWN", "no", "")})
			tag := parseTag(t, r.Host()+"/app:1")
			_, err := patientClient(dockerKeychain(t, `{}`)).SetTags(t.Context(), tag.Repository(), digest,
				[]registry.Tag{tag})
			if err == nil {
				t.Error("no error")
			}
			want := 1
			if status == http.StatusForbidden {
				want = 2 // one without and one with what credentials there are
			}
			if puts := countRequests(r, http.MethodPut) - before; puts != want {
				t.Errorf("%d PUTs, want %d", puts, want)
			}
		})
	}
}

// TestRetryAfter holds that no call waits for a registry that wants more time than is left.
func TestRetryAfter(t *testing.T) {
	t.Parallel()
	for name, path := range map[string]string{"request": "/manifests/", "ping": "/v2/"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := registrytest.New(t)
			r.Inject(registrytest.Rule{Path: path, Fault: registrytest.Status(http.StatusTooManyRequests,
				"TOOMANYREQUESTS", "Rate exceeded", "3600")})
			client := registry.New(dockerKeychain(t, `{}`), registry.Options{})
			_, err := client.Resolve(t.Context(), parseTag(t, r.Host()+"/app:1"))
			// a HEAD has no words
			said := map[string]string{"request": "too many requests", "ping": "Rate exceeded"}[name]
			expectError(t, err, fault.ErrRateLimited, "resolving "+r.Host()+"/app:1: 429 rate limited: "+said+
				" (tried once: the next try may begin in 1h0m0s, and less time is left)")
		})
	}
}

// TestBudget holds that the budget bounds a call with all its tries, and that the error is the last answer.
func TestBudget(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		broken registrytest.Fault
		want   string
	}{
		"answers": {
			registrytest.Status(http.StatusBadGateway, "UNKNOWN", "no", ""),
			`502 bad gateway \(tried [2-9] times in .*\)$`,
		},
		"silence": {registrytest.Stall, `unreachable: no answer from .* within 200ms \(tried [2-9] times in .*\)$`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := registrytest.New(t)
			r.Inject(registrytest.Rule{Path: "/manifests/", Fault: test.broken})
			client := registry.New(dockerKeychain(t, `{}`), registry.Options{
				Budget: 900 * time.Millisecond, Timeout: 200 * time.Millisecond,
				RetryWaits: []time.Duration{0, 100 * time.Millisecond, 100 * time.Millisecond, 100 * time.Millisecond,
					time.Hour},
			})
			_, err := client.Resolve(t.Context(), parseTag(t, r.Host()+"/app:1"))
			if !regexp.MustCompile(test.want).MatchString(fmt.Sprint(err)) {
				t.Error(err)
			}
		})
	}
}

// TestRetriedPutThatWentThrough holds that a tag counts as moved if its first PUT arrived and the answer did not. An
// immutable tag refuses the second PUT.
func TestRetriedPutThatWentThrough(t *testing.T) {
	t.Parallel()
	for _, mutability := range []string{registrytest.Immutable, registrytest.Mutable} {
		t.Run(mutability, func(t *testing.T) {
			t.Parallel()
			e := registrytest.NewECR(t)
			e.Repository("app", mutability)
			digest := e.Push(t, "app", registrytest.Image(t, "linux/amd64"))
			e.Inject(registrytest.Rule{Method: http.MethodPut, Path: "/manifests/1", Times: 1,
				Fault: registrytest.ResetAnswer(0)})
			tag := parseTag(t, e.Host()+"/app:1")
			moved, err := patientClient(amazonKeychain(t, e, "one")).SetTags(t.Context(), tag.Repository(), digest,
				[]registry.Tag{tag})
			if err != nil || len(moved) != 1 || e.Tags("app")["1"] != digest {
				t.Errorf("moved %v, %v; it holds %s", moved, err, e.Tags("app")["1"])
			}
		})
	}
}

// TestExpiredTokenIsRenewed holds that an expired token is renewed once, at whichever request it is refused.
func TestExpiredTokenIsRenewed(t *testing.T) {
	t.Parallel()
	e := registrytest.NewECR(t)
	e.Repository("app", "")
	digest := e.Push(t, "app:1", registrytest.Index(t, "linux/amd64", "linux/arm64"))
	client := singleTryClient(amazonKeychain(t, e, "one"))
	tag := parseTag(t, e.Host()+"/app:1")
	acts := map[string]func() error{
		"resolve": func() error { _, err := client.Resolve(t.Context(), tag); return err },
		"exists":  func() error { _, err := client.Exists(t.Context(), tag.Repository(), digest); return err },
		"verify":  func() error { _, err := client.Inspect(t.Context(), tag.Repository(), digest); return err },
		"tags": func() error {
			_, err := client.SetTags(t.Context(), tag.Repository(), digest,
				[]registry.Tag{tag, parseTag(t, e.Host()+"/app:2")})
			return err
		},
	}
	for name, act := range acts {
		before := e.Calls("GetAuthorizationToken")
		if err := errors.Join(act(), act()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if asked := e.Calls("GetAuthorizationToken") - before; asked != 1 {
			t.Errorf("%s: %d tokens, want 1", name, asked)
		}
		e.Advance(13 * time.Hour)
	}
}

// TestRefusedTokenIsRenewedOnce holds that a registry that refuses every token is not asked for ever.
func TestRefusedTokenIsRenewedOnce(t *testing.T) {
	t.Parallel()
	e := registrytest.NewECR(t)
	e.Inject(registrytest.Rule{Path: "/v2/app", Fault: registrytest.Status(http.StatusUnauthorized, "UNAUTHORIZED",
		"not you", "")})
	_, err := singleTryClient(amazonKeychain(t, e, "one")).Resolve(t.Context(), parseTag(t, e.Host()+"/app:1"))
	expectError(t, err, fault.ErrUnauthorized, "resolving "+e.Host()+"/app:1: 401 unauthorized: not you; "+e.Host()+
		" refused the credentials")
	if asked := e.Calls("GetAuthorizationToken"); asked > 3 {
		t.Errorf("%d tokens", asked)
	}
	if strings.Contains(fmt.Sprint(err), registrytest.TokenMark) {
		t.Error("the error holds a token")
	}
}

// TestStaleDockerLogin holds that the error names the failure of AWS as well, where docker's login has expired.
func TestStaleDockerLogin(t *testing.T) {
	t.Parallel()
	e := registrytest.NewECR(t)
	e.Repository("app", "")
	keychain := amazonKeychainWith(t, e, "sso", `{"auths":{"`+e.Host()+`":{"auth":"dXNlcjpwYXNz"}}}`)
	_, err := singleTryClient(keychain).Resolve(t.Context(), parseTag(t, e.Host()+"/app:1"))
	expectError(t, err, fault.ErrUnauthorized,
		"resolving "+e.Host()+"/app:1: 401 unauthorized: unauthorized; "+e.Host()+
			` refused the credentials; AWS: the SSO session of profile "sso" is not there or has expired`)
}
