package registry_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// waitRecorder records the waits that are under way.
type waitRecorder struct {
	mu    sync.Mutex
	open  map[int]registry.Wait
	count int
	begun chan registry.Wait
}

// watch implements registry.Watch.
func (w *waitRecorder) watch(wait registry.Wait) (end func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.count++
	number := w.count
	w.open[number] = wait
	select {
	case w.begun <- wait:
	default:
	}
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.open, number)
	}
}

// waitCases are registries that let a client wait, with the wait that it tells of.
var waitCases = map[string]struct {
	config  string
	prepare func(r *registrytest.Registry)
	want    registry.Wait // HOST is the registry
	failure string
}{
	"a request": {
		config:  `{}`,
		prepare: func(r *registrytest.Registry) { r.Wrap(registrytest.Intercept("", "/manifests/1", stall)) },
		want:    registry.Wait{Host: "HOST", Request: "HEAD /v2/app/manifests/1"},
	},
	"a token server": {
		config: `{"auths":{"HOST":{"auth":"dXNlcjpwYXNz"}}}`, prepare: func(r *registrytest.Registry) {
			r.AskForTokens("", "user", "pass")
			r.Wrap(registrytest.Intercept("", registrytest.TokenPath, stall))
		},
		want: registry.Wait{Host: "HOST", Request: "GET"},
	},
	"a helper": {
		config: `{"credsStore":"slow"}`, prepare: func(r *registrytest.Registry) { r.AskForTokens("", "user", "pass") },
		want: registry.Wait{Kind: registry.WaitHelper, Host: "HOST", Helper: "docker-credential-slow"},
	},
	"a pause": {
		config: `{}`, prepare: func(r *registrytest.Registry) {
			r.Inject(registrytest.Rule{Path: "/manifests/1",
				Fault: registrytest.Status(http.StatusTooManyRequests, "TOOMANYREQUESTS", "slow down", "60")})
		},
		want: registry.Wait{Kind: registry.WaitPause, Host: "HOST", Pause: time.Minute}, failure: "429 rate limited: ",
	},
}

// TestWatch holds that a Watch hears of a wait while it lasts, and of its end.
func TestWatch(t *testing.T) {
	t.Parallel()
	for name, c := range waitCases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := registrytest.New(t)
			c.prepare(r)
			w := &waitRecorder{open: map[int]registry.Wait{}, begun: make(chan registry.Wait, 20)}
			keychain := dockerKeychain(t, strings.ReplaceAll(c.config, "HOST", r.Host()))
			keychain.Watch = w.watch
			c.want.Host = strings.ReplaceAll(c.want.Host, "HOST", r.Host())
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			done := make(chan error, 1)
			go func() {
				_, err := registry.New(keychain, registry.Options{Watch: w.watch}).Resolve(ctx,
					parseTag(t, r.Host()+"/app:1"))
				done <- err
			}()
			for tries := 0; ; tries++ {
				var got registry.Wait
				select {
				case got = <-w.begun:
				case <-time.After(30 * time.Second):
					t.Fatalf("never told after %d other waits", tries)
				}
				failure := got.Failure
				if got.Failure = nil; got != c.want {
					continue
				}
				if c.failure != "" && !strings.HasPrefix(failure.Error(), c.failure) {
					t.Errorf("the failure is %v", failure)
				}
				break
			}
			cancel()
			if err := <-done; !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			if len(w.open) > 0 {
				t.Errorf("never ended: %v", w.open)
			}
		})
	}
}

// TestBudgetErrorNamesTheWait holds that the error of a budget names the request or the helper that took it.
func TestBudgetErrorNamesTheWait(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		config string
		fault  http.HandlerFunc // of the tag
		want   string
	}{
		"a request": {
			`{}`, stall, "resolving HOST/app:1: HEAD /v2/app/manifests/1: unreachable: the registry took longer " +
				"than 2s",
		},
		"a helper": {`{"credsStore":"slow"}`, nil,
			"resolving HOST/app:1: docker-credential-slow was asked for a login: unreachable: " +
				"the registry took longer than 2s"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := registrytest.New(t)
			if c.fault == nil {
				r.AskForTokens("", "user", "pass")
			} else {
				r.Wrap(registrytest.Intercept("", "/manifests/1", c.fault))
			}
			client := registry.New(dockerKeychain(t, c.config), registry.Options{Budget: 2 * time.Second})
			_, err := client.Resolve(t.Context(), parseTag(t, r.Host()+"/app:1"))
			if err == nil || !strings.HasPrefix(err.Error(), strings.ReplaceAll(c.want, "HOST", r.Host())) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}
