package registry

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// TestMintWaits: half a minute of trouble passes, and a daemon, which waits for a minute, hears what there was.
func TestMintWaits(t *testing.T) {
	t.Parallel()
	var all time.Duration
	for _, wait := range tokenBackoff {
		all += wait
	}
	if all <= 30*time.Second || all >= tokenTimeout || tokenTimeout > 50*time.Second {
		t.Errorf("pauses of %s in %s", all, tokenTimeout)
	}
}

type timeout struct{ error }

func (timeout) Timeout() bool   { return true }
func (timeout) Temporary() bool { return true }

// TestPassesAtAWS: a machine that is none of Amazon's does not ask its metadata service again.
func TestPassesAtAWS(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"operation error ECR: GetAuthorizationToken, %w":                   true,
		"no EC2 IMDS role found, operation error ec2imds: GetMetadata, %w": false,
	} {
		if got := isTransientAtAWS(fmt.Errorf(text, timeout{errors.New("i/o timeout")})); got != want {
			t.Errorf("%s: %t", text, got)
		}
	}
}

// TestOldTokenLasts: while Amazon is broken a token does that was to be renewed, and nobody waits for another one.
func TestOldTokenLasts(t *testing.T) {
	t.Parallel()
	asked := 0
	broken := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked++
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer broken.Close()
	p := awsPrincipal{profile: "one", endpoint: broken.URL, region: "eu-west-1"}
	old := Credential{Username: "AWS", Password: "old"}
	a := &awsAccess{configs: map[awsPrincipal]aws.Config{}, tokens: map[awsPrincipal]ecrToken{
		p: {credential: old, until: time.Now(), expires: time.Now().Add(time.Hour)},
	}}
	if got, err := a.token(t.Context(), p, backoff{0, time.Hour}); err != nil || got != old || asked != 1 {
		t.Errorf("asked %d times: %v", asked, err)
	}
}
