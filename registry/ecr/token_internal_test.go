package ecr

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// TestTokenBackoff holds that half a minute of trouble passes, and that a daemon, which waits for a minute, still hears
// of it.
func TestTokenBackoff(t *testing.T) {
	t.Parallel()
	var all time.Duration
	for _, pause := range tokenBackoff {
		all += pause
	}
	if all <= 30*time.Second || all >= tokenTimeout || tokenTimeout > 50*time.Second {
		t.Errorf("pauses of %s in %s", all, tokenTimeout)
	}
}

// timeoutError is a net.Error of a connection that took too long.
type timeoutError struct{ error }

func (timeoutError) Timeout() bool   { return true }
func (timeoutError) Temporary() bool { return true }

// TestIsTransient holds that a machine outside Amazon does not ask its metadata service again.
func TestIsTransient(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"operation error ECR: GetAuthorizationToken, %w":                   true,
		"no EC2 IMDS role found, operation error ec2imds: GetMetadata, %w": false,
	} {
		if got := isTransient(fmt.Errorf(text, timeoutError{errors.New("i/o timeout")})); got != want {
			t.Errorf("%s: %t", text, got)
		}
	}
}

// TestOldTokenLasts holds that the old token stays in use while Amazon is broken, and that nobody waits for a new one.
func TestOldTokenLasts(t *testing.T) {
	t.Parallel()
	requests := 0
	broken := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		requests++
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer broken.Close()
	p := principal{endpoint: broken.URL, region: "eu-west-1"}
	old := Credential{Username: "AWS", Password: "old"}
	cache := newTokenCache()
	cache.configs[p] = aws.Config{
		Region: "eu-west-1", Credentials: credentials.NewStaticCredentialsProvider("AKIA", "secret", ""),
	}
	cache.tokens[p] = token{credential: old, until: time.Now(), expires: time.Now().Add(time.Hour)}
	call := tokenCall{cache: cache, principal: p, pauses: fault.Backoff{0, time.Hour}, logger: fault.Logger(nil)}
	got, err := call.credential(t.Context())
	if err != nil || got != old || requests != 1 {
		t.Errorf("%d requests: %v", requests, err)
	}
}

// TestCredentialPrintsAsMask holds that no verb of package fmt prints the password.
func TestCredentialPrintsAsMask(t *testing.T) {
	t.Parallel()
	secret := Credential{Username: "AWS", Password: "canary-4711"}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		if got := fmt.Sprintf(verb, secret); got != mask {
			t.Errorf("%s prints %s", verb, got)
		}
	}
}
