package registry_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// tellNobody drops the lines of pushWithRetry.
func tellNobody(string) {}

// pushWithRetry pushes as often as a client allows. tell gets a line before each pause.
func pushWithRetry(ctx context.Context, c *registry.Client, tell func(line string),
	try func(context.Context) error) error {
	for retry := c.PushRetry(); ; {
		err := try(ctx)
		if err == nil {
			return nil
		}
		pause, err := retry.Next(ctx, err)
		if err != nil {
			return err
		}
		if line := pause.String(); line != "" {
			tell(line)
		}
		if err := pause.Wait(ctx); err != nil {
			return err
		}
	}
}

// TestExplainPushOfMissing holds that a missing repository is found without waiting, in both ways in which Amazon ECR
// tells of it.
func TestExplainPushOfMissing(t *testing.T) {
	t.Parallel()
	for _, cutOff := range []bool{false, true} {
		t.Run(fmt.Sprint(cutOff), func(t *testing.T) {
			t.Parallel()
			e := registrytest.NewECR(t)
			if cutOff {
				e.CutOffMissing()
			}
			keychain, tries := amazonKeychain(t, e, "one"), 0
			err := pushWithRetry(t.Context(), patientClient(keychain), tellNobody, func(ctx context.Context) error {
				tries++
				return daemonPush(ctx, t, keychain, e.Host()+"/team/app", registrytest.Image(t, "linux/amd64"))
			})
			expectError(t, err, fault.ErrNoRepository, "pushing to "+e.Host()+"/team/app: no such repository: The "+
				"repository with name 'team/app' does "+
				"not exist in the registry with id '123456789012'", fault.RepositoryMissing)
			if tries != 1 {
				t.Errorf("%d tries", tries)
			}
		})
	}
}

// TestExplainPushWithoutCredentials holds that the error is the one that we gave the daemon.
func TestExplainPushWithoutCredentials(t *testing.T) {
	t.Parallel()
	e := registrytest.NewECR(t)
	e.Repository("app", "")
	keychain := amazonKeychain(t, e, "sso")
	err := pushWithRetry(t.Context(), patientClient(keychain), tellNobody, func(ctx context.Context) error {
		return daemonPush(ctx, t, keychain, e.Host()+"/app", registrytest.Image(t, "linux/amd64"))
	})
	expectError(t, err, fault.ErrUnauthorized,
		"pushing to "+e.Host()+"/app: credentials for "+e.Host()+": AWS: "+
			`the SSO session of profile "sso" is not there or has expired`)
}

// TestExplainPushKnowsItsOwnErrors holds that our error is found without the text around it. Another error with the
// same words is not taken for ours.
func TestExplainPushKnowsItsOwnErrors(t *testing.T) {
	t.Parallel()
	keychain := dockerKeychain(t, `{"credsStore":"broken"}`)
	_, own := keychain.Lookup(t.Context(), "ghcr.io")
	// a daemon asks again, and tells of its first try
	if _, later := keychain.Lookup(t.Context(), "ghcr.io"); later == nil {
		t.Fatal("the helper is broken, and gave a login")
	}
	err := pushWithRetry(t.Context(), singleTryClient(keychain), tellNobody,
		func(context.Context) error { return newDaemonError("", "rpc error: "+registry.ForDaemon(own).Error()) })
	if !errors.Is(err, own) {
		t.Errorf("%v is not %v", err, own)
	}
	err = pushWithRetry(t.Context(), singleTryClient(keychain), tellNobody,
		func(context.Context) error { return newDaemonError("", own.Error()) })
	if errors.Is(err, own) {
		t.Errorf("%v is %v", err, own)
	}
}

// TestPushAgain holds that an upload is repeated until it succeeds, with a line before each pause, and that nothing is
// uploaded twice.
func TestPushAgain(t *testing.T) {
	t.Parallel()
	faults := map[string]registrytest.Rule{
		"429": {
			Method: http.MethodPut, Path: "/manifests/", Times: 12,
			Fault: registrytest.Status(429, "TOOMANYREQUESTS", "Rate exceeded", ""),
		},
		"500": {
			Method: http.MethodPut, Path: "/manifests/", Times: 6,
			Fault: registrytest.Status(500, "UNKNOWN", "no", ""),
		},
		"reset":           {Method: http.MethodPut, Path: "/manifests/", Times: 3, Fault: registrytest.Reset(10)},
		"lost":            {Method: http.MethodPut, Path: "/blobs/", Times: 3, Fault: registrytest.Lose},
		"nothing refused": {Method: http.MethodPut, Path: "/nowhere", Fault: registrytest.Stall},
	}
	for name, rule := range faults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := registrytest.NewECR(t)
			e.Repository("app", "")
			e.Inject(rule)
			keychain, tries := amazonKeychain(t, e, "one"), 0
			image := registrytest.Image(t, "linux/amd64")
			var told []string
			err := pushWithRetry(t.Context(), patientClient(keychain), func(line string) { told = append(told, line) },
				func(ctx context.Context) error {
					tries++
					return daemonPush(ctx, t, keychain, e.Host()+"/app", image)
				})
			if again := regexp.MustCompile("^pushing to " + e.Host() +
				"/app: .*; trying again in [0-9]"); len(told) != tries-1 ||
				slices.ContainsFunc(told, func(line string) bool { return !again.MatchString(line) }) {
				t.Errorf("%d tries: %q", tries, told)
			}
			digest, _ := image.Digest()
			found, lookErr := singleTryClient(keychain).Exists(t.Context(), e.Host()+"/app", digest.String())
			if err != nil || !found {
				t.Errorf("after %d tries: %v; there: %t, %v", tries, err, found, lookErr)
			}
			if (tries == 1) != (name == "nothing refused") {
				t.Errorf("%d tries", tries)
			}
		})
	}
}

// TestPushWaitsAsLongAsTheRegistryAsks holds that a push heeds Retry-After, which a daemon keeps to itself.
func TestPushWaitsAsLongAsTheRegistryAsks(t *testing.T) {
	t.Parallel()
	e := registrytest.NewECR(t)
	e.Repository("app", "")
	var once sync.Once
	var leftAlone time.Time
	e.Inject(registrytest.Rule{Path: "/v2/app/manifests/",
		Fault: func(w http.ResponseWriter, req *http.Request, next http.Handler) {
			once.Do(func() { leftAlone = time.Now().Add(time.Second) })
			if time.Now().Before(leftAlone) {
				registrytest.Status(429, "TOOMANYREQUESTS", "Rate exceeded", "1")(w, req, next)
				return
			}
			next.ServeHTTP(w, req)
		}})
	keychain, tries := amazonKeychain(t, e, "one"), 0
	image := registrytest.Image(t, "linux/amd64")
	err := pushWithRetry(t.Context(), patientClient(keychain), tellNobody, func(ctx context.Context) error {
		tries++
		return daemonPush(ctx, t, keychain, e.Host()+"/app", image)
	})
	if err != nil || tries != 2 {
		t.Errorf("%v after %d tries", err, tries)
	}
}

// TestPushKeepsToItsBudget holds that asking for the reason of a failure takes little of the budget, at a registry that
// refuses everything.
func TestPushKeepsToItsBudget(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		fault registrytest.Fault
		said  string
	}{
		"429": {registrytest.Status(429, "TOOMANYREQUESTS", "Rate exceeded", ""), "toomanyrequests: Rate exceeded"},
		"EOF": {registrytest.CloseConnection, `failed to do request: Put "http://HOST/v2/app/blobs/uploads/1": EOF`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := registrytest.New(t)
			r.Inject(registrytest.Rule{Path: "/v2/", Fault: test.fault})
			client := registry.New(dockerKeychain(t, `{}`), registry.Options{Budget: 4 * time.Second})
			began, tries := time.Now(), 0
			err := pushWithRetry(t.Context(), client, tellNobody, func(context.Context) error {
				tries++
				return newDaemonError(r.Host()+"/app", strings.ReplaceAll(test.said, "HOST", r.Host()))
			})
			took := time.Since(began)
			if tries < 2 || took > 20*time.Second || !strings.Contains(fmt.Sprint(err),
				fmt.Sprintf("(tried %d times in ", tries)) {
				t.Errorf("%d tries in %s: %v", tries, took, err)
			}
		})
	}
}

// TestPushEnds holds that a push ends after a permanent failure, after an error of the build, and with the budget.
func TestPushEnds(t *testing.T) {
	t.Parallel()
	broken := errors.New("exit code: 1")
	tries := 0
	err := pushWithRetry(t.Context(), patientClient(dockerKeychain(t, `{}`)), tellNobody,
		func(context.Context) error { tries++; return broken })
	if !errors.Is(err, broken) || tries != 1 {
		t.Errorf("%v after %d tries", err, tries)
	}
	tries = 0
	client := registry.New(dockerKeychain(t, `{}`), registry.Options{RetryWaits: []time.Duration{0, 0, time.Hour}})
	err = pushWithRetry(t.Context(), client, tellNobody, func(context.Context) error {
		tries++
		return newDaemonError("ghcr.io/acme/app",
			`unexpected status from PUT request to https://ghcr.io/v2/acme/app/manifests/x: 503 Service Unavailable`)
	})
	want := regexp.MustCompile(`^pushing to ghcr.io/acme/app: 503 service unavailable \(tried 3 times in [0-9.]+m?s\)$`)
	if !want.MatchString(fmt.Sprint(err)) || tries != 3 {
		t.Errorf("%v after %d tries", err, tries)
	}
	gone := errors.New("the user is gone")
	ctx, leave := context.WithCancelCause(t.Context())
	err = pushWithRetry(ctx, registry.New(dockerKeychain(t, `{}`), registry.Options{}), tellNobody,
		func(context.Context) error {
			time.AfterFunc(10*time.Millisecond, func() { leave(gone) })
			return newDaemonError("ghcr.io/acme/app", `failed to do request: Put "https://ghcr.io/x": EOF`)
		})
	if !errors.Is(err, gone) {
		t.Error(err)
	}
}
