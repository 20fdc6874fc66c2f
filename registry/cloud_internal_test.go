package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

// entraIdentity gives a token to everybody who asks for the right scope.
type entraIdentity struct{ fails error }

func (e entraIdentity) GetToken(_ context.Context, options policy.TokenRequestOptions) (azcore.AccessToken, error) {
	if len(options.Scopes) != 1 || options.Scopes[0] != azureScope {
		return azcore.AccessToken{}, fmt.Errorf("scopes %v", options.Scopes)
	}
	return azcore.AccessToken{Token: "entra", ExpiresOn: time.Now().Add(time.Hour)}, e.fails
}

// exchangeServer is the token server of a registry.
type exchangeServer struct {
	asked    []string
	location string // of a redirect
}

func (e *exchangeServer) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := req.ParseForm(); err != nil {
		return nil, err
	}
	e.asked = append(e.asked, req.URL.String()+" "+req.PostForm.Get("service")+" "+req.PostForm.Get("access_token"))
	if e.location != "" {
		return &http.Response{
			StatusCode: http.StatusTemporaryRedirect, Request: req, Header: http.Header{"Location": {e.location}},
			Body: http.NoBody,
		}, nil
	}
	return &http.Response{
		StatusCode: http.StatusOK, Request: req, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(bytes.NewReader([]byte(`{"refresh_token":"refresh"}`))),
	}, nil
}

func TestAzureLogin(t *testing.T) {
	t.Parallel()
	server := &exchangeServer{}
	a := azure{identity: func() (azcore.TokenCredential, error) { return entraIdentity{}, nil }, transport: server}
	got, err := a.credential(t.Context(), "acme.azurecr.io")
	if err != nil || got != (Credential{IdentityToken: "refresh"}) {
		t.Errorf("%q, %v", got.IdentityToken, err)
	}
	want := "https://acme.azurecr.io/oauth2/exchange?api-version=2021-07-01 acme.azurecr.io entra"
	if len(server.asked) != 1 || server.asked[0] != want {
		t.Errorf("asked %v, want %s", server.asked, want)
	}
	a.identity = func() (azcore.TokenCredential, error) {
		return entraIdentity{errors.New("DefaultAzureCredential: failed to acquire a token.\nAttempted " +
			"credentials:\n\tAzureCLICredential: az not found")}, nil
	}
	_, err = a.credential(t.Context(), "acme.azurecr.io")
	want = "Azure: DefaultAzureCredential: failed to acquire a token. Attempted credentials: AzureCLICredential: az " +
		"not found"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

// TestAzureRedirect holds that a token of Microsoft Entra, which opens other registries too, does not follow a
// redirect.
func TestAzureRedirect(t *testing.T) {
	t.Parallel()
	for _, location := range []string{"https://storage.example.com/", "https://localhost:6443/",
		"https://metadata.azurecr.io@169.254.169.254/"} {
		server := &exchangeServer{location: location}
		a := azure{identity: func() (azcore.TokenCredential, error) { return entraIdentity{}, nil }, transport: server}
		_, err := a.credential(t.Context(), "hostile.azurecr.io")
		if err == nil || !strings.Contains(err.Error(), "refused") || len(server.asked) != 1 {
			t.Errorf("asked %v: %v", server.asked, err)
		}
	}
}

func TestCloudsAnswerForTheirHosts(t *testing.T) {
	t.Parallel()
	var asked []string
	one := []cloud{{domains: []string{"gcr.io", ".gcr.io"},
		ask: func(_ context.Context, host string) (Credential, error) {
			asked = append(asked, host)
			return Credential{}, nil
		}}}
	for _, host := range []string{"gcr.io", "eu.gcr.io", "xgcr.io", "gcr.io.example.com", "gcr.io:443",
		".example.com"} {
		if _, err := NewKeychain(nil).askClouds(t.Context(), one, host); err != nil {
			t.Error(err)
		}
	}
	if got := strings.Join(asked, " "); got != "gcr.io eu.gcr.io" {
		t.Error(got)
	}
}

// TestCloudLookupEndsWithItsContext holds that a lookup ends with its context, also if the library of the cloud does
// not heed it.
func TestCloudLookupEndsWithItsContext(t *testing.T) {
	t.Parallel()
	gone := errors.New("the user is gone")
	ctx, leave := context.WithCancelCause(t.Context())
	let := make(chan struct{})
	defer close(let)
	_, err := askInTime(ctx, "gcr.io", func(context.Context, string) (Credential, error) {
		leave(gone)
		<-let
		return Credential{}, nil
	})
	if !errors.Is(err, gone) {
		t.Error(err)
	}
}
