package registry_test

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// TestExplainPush holds what ExplainPush makes of a daemon's words, which containerd's pusher makes of a registry's
// real answers.
func TestExplainPush(t *testing.T) {
	t.Parallel()
	for _, test := range explainedPushes {
		for form, push := range pushers {
			t.Run(test.name+", "+form, func(t *testing.T) {
				t.Parallel()
				e := registrytest.NewECR(t)
				e.Repository("app", "")
				if test.rule.Fault != nil {
					e.Inject(test.rule)
				}
				if test.deny != "" {
					e.Deny("ecr:" + test.deny)
				}
				image, want := registrytest.Image(t, "linux/amd64"), test.want
				if form == "whole" && test.whole != "" {
					want = test.whole
				}
				digest, _ := image.Digest()
				expectPush(t, push, e, image, pushOutcome{test.is, test.temporary, strings.NewReplacer("HOST", e.Host(),
					"DIGEST", digest.String(), "USER", strings.ReplaceAll(unauthorizedUser, "ACTION",
						test.deny)).Replace(want)})
			})
		}
	}
}

// pushers make errors of both forms that daemons have.
var pushers = map[string]func(context.Context, *testing.T, *registry.Keychain, string, v1.Image) error{
	"daemon": daemonPush,
	"whole": func(
		ctx context.Context, t *testing.T, keychain *registry.Keychain, repository string, image v1.Image,
	) error {
		return newDaemonError(repository, containerdPush(ctx, t, keychain, repository, image).Error())
	},
}

// pushOutcome is how a push ends. PORT in the text is whatever port the pusher had.
type pushOutcome struct {
	is        error
	temporary bool
	want      string
}

// clientPort matches the address of the pusher, which differs from run to run.
var clientPort = regexp.MustCompile(`127\.0\.0\.1:\d+->`)

// expectPush pushes through a registry with a fault, and compares the outcome.
func expectPush(t *testing.T, push func(context.Context, *testing.T, *registry.Keychain, string, v1.Image) error,
	e *registrytest.ECR,
	image v1.Image, want pushOutcome,
) {
	t.Helper()
	keychain := amazonKeychain(t, e, "one")
	ctx, stop := context.WithTimeout(t.Context(), 2*time.Second)
	defer stop()
	pushed := push(ctx, t, keychain, e.Host()+"/app", image)
	err := singleTryClient(keychain).ExplainPush(pushed)
	failure, ok := errors.AsType[*registry.PushError](err)
	if !ok {
		t.Fatalf("%T: %v", err, err)
	}
	text := clientPort.ReplaceAllString(err.Error(), "PORT->")
	if text != "pushing to "+e.Host()+"/app: "+want.want {
		t.Errorf("got  %s\nwant pushing to %s/app: %s\nfrom %v", text, e.Host(), want.want, pushed)
	}
	if failure.Temporary != want.temporary || want.is != nil && !errors.Is(err, want.is) {
		t.Errorf("temporary: %t; %v is no %v", failure.Temporary, err, want.is)
	}
	if strings.Contains(text, registrytest.TokenMark) || strings.Contains(text, "_state=") {
		t.Errorf("a token or a signed URL is in %s", text)
	}
}

// TestExplainPushOfOtherErrors holds that other errors come back as they are.
func TestExplainPushOfOtherErrors(t *testing.T) {
	t.Parallel()
	client := anonymousClient(t)
	for _, text := range []string{
		"process \"/bin/sh -c make\" did not complete successfully: exit code: 1",
		"failed to push ghcr.io/acme/app: denied: no",
		"docker.io/library/nowhere:latest: failed to resolve source metadata for docker.io/library/nowhere:latest: " +
			"unexpected status from HEAD " +
			"request to https://registry-1.docker.io/v2/library/nowhere/manifests/latest: 429 Too Many Requests",
	} {
		err := errors.New(text)
		if got := client.ExplainPush(err); got != err { //nolint:errorlint // the very same
			t.Errorf("%s became %v", text, got)
		}
		if got := client.ExplainPush(&registry.DaemonError{Text: text,
			Cause: err}); got != err { //nolint:errorlint // the very same
			t.Errorf("%s of a daemon became %v", text, got)
		}
	}
	if err := client.ExplainPush(nil); err != nil {
		t.Error(err)
	}
}

// TestExplainPushOfBareCodes holds that a code stands for its usual message, which a daemon leaves out.
func TestExplainPushOfBareCodes(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]string{
		"denied":          "403 denied",
		"unauthorized":    "401 unauthorized: ghcr.io refused the credentials",
		"toomanyrequests": "429 rate limited",
		"unsupported":     "unsupported by the registry",
		"unknown":         "an error that it did not explain",
	} {
		err := anonymousClient(t).ExplainPush(newDaemonError("ghcr.io/acme/app", code))
		failure, ok := errors.AsType[*registry.PushError](err)
		if !ok || failure.Temporary != (code == "toomanyrequests" || code == "unknown") {
			t.Errorf("%s: %T %v", code, err, err)
		}
		if err.Error() != "pushing to ghcr.io/acme/app: "+want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}

// unreachablePushCase is a case of TestExplainPushToUnreachable.
type unreachablePushCase struct {
	name, host string
	err        error
	want       string
}

// unreachablePushCases returns the cases of TestExplainPushToUnreachable, by name.
func unreachablePushCases(t *testing.T) []unreachablePushCase {
	push := func(repository string) error {
		return daemonPush(t.Context(), t, dockerKeychain(t, `{}`), repository, registrytest.Image(t, "linux/amd64"))
	}
	broken := func(words string) error {
		return newDaemonError("ghcr.io/acme/app",
			`failed to do request: Head "https://ghcr.io/v2/acme/app/blobs/x": `+words)
	}
	return []unreachablePushCase{
		{
			"refused", "127.0.0.1:1", push("127.0.0.1:1/app"),
			"unreachable: dial tcp 127.0.0.1:1: connect: connection refused",
		},
		{"by address", "[::1]:1", newDaemonError("[::1]:1/app",
			`failed to do request: Head "http://[::1]:1/v2/app": dial tcp [::1]:1: connect: connection refused`),
			"unreachable: dial tcp [::1]:1: connect: connection refused"},
		{"proxy", "registry.invalid", push("registry.invalid/app"), "Forbidden"},
		{
			"no such host", "ghcr.io", broken("dial tcp: lookup ghcr.io on 10.0.0.53:53: no such host"),
			"unreachable: dial tcp: lookup ghcr.io on 10.0.0.53:53: no such host",
		},
		{"authority", "ghcr.io", broken("tls: failed to verify certificate: x509: certificate signed by unknown " +
			"authority"),
			"unreachable: tls: failed to verify certificate: x509: certificate signed by unknown authority"},
		{"a certificate of tomorrow", "ghcr.io", broken("tls: failed to verify certificate: x509: certificate has " +
			"expired or is not yet valid: current time 2026-11-21T10:00:00Z is before 2026-11-22T00:00:00Z"),
			"unreachable: tls: failed to verify certificate: x509: certificate has expired or is not yet valid: " +
				"current time 2026-11-21T10:00:00Z is before 2026-11-22T00:00:00Z"},
		{
			"plain http", "ghcr.io", broken("http: server gave HTTP response to HTTPS client"),
			"unreachable: http: server gave HTTP response to HTTPS client",
		},
		{
			"plain, but not http", "ghcr.io", broken("tls: first record does not look like a TLS handshake"),
			"unreachable: tls: first record does not look like a TLS handshake",
		},
		{
			"proxy's password", "ghcr.io", broken("Proxy Authentication Required"),
			"unreachable: Proxy Authentication Required",
		},
	}
}

// TestExplainPushToUnreachable tries the words of Go's network packages, some of them from real failures.
func TestExplainPushToUnreachable(t *testing.T) {
	t.Parallel()
	tests := unreachablePushCases(t)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			err := anonymousClient(t).ExplainPush(test.err)
			failure, ok := errors.AsType[*registry.PushError](err)
			if !ok || failure.Temporary {
				t.Fatalf("%T: %v", err, err)
			}
			want := "pushing to " + failure.Repository + ": " + strings.ReplaceAll(test.want, "HOST", test.host)
			if err.Error() != want {
				t.Errorf("got  %v\nwant %s", err, want)
			}
		})
	}
}
