package registry_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// tokenCase is a case of TestToken.
type tokenCase struct {
	realm, password, config string
	rule                    *registrytest.Rule
	want                    string // of the error
}

// tokenCases are the cases of TestToken, by name.
var tokenCases = map[string]tokenCase{
	"granted": {"", canary, `{}`, nil, ""},
	"503": {"", canary, `{}`, &registrytest.Rule{Path: "/token", Times: 3,
		Fault: registrytest.Status(503, "UNAVAILABLE", "later", "")}, ""},
	"429": {"", canary, `{}`, &registrytest.Rule{Path: "/token", Times: 3,
		Fault: registrytest.Status(429, "TOOMANYREQUESTS", "later", "")}, ""},
	"reset": {"", canary, `{}`, &registrytest.Rule{Path: "/token", Times: 3, Fault: registrytest.Reset(0)}, ""},
	"wrong": {"", canary + "x", `{}`, nil, "logging in to HOST: 401 unauthorized: incorrect username or " +
		"password; HOST refused the credentials"},
	"no login": {
		"", "", `{"credsStore":"broken"}`, nil, "credentials for HOST: docker-credential-broken: exit status 3",
	},
	"patience": {
		"", canary, `{}`, &registrytest.Rule{Path: "/token",
			Fault: registrytest.Status(429, "TOOMANYREQUESTS", "later", "60"),
		},
		"logging in to HOST: 429 rate limited: later"},
	"elsewhere": {"http://registry.example.com/token", canary, `{}`, nil,
		"logging in to HOST: unreachable: plain http to registry.example.com refused: it is used for loopback " +
			"hosts only"},
	"no server": {"", canary, `{}`, &registrytest.Rule{Path: "/token",
		Fault: func(w http.ResponseWriter, req *http.Request, _ http.Handler) {
			http.Error(w, "<h1>Not found</h1>", http.StatusNotFound)
		}}, "404 that is no registry's answer"},
}

// TestToken holds what a daemon gets when a registry wants a token, with the rules of our own requests.
func TestToken(t *testing.T) {
	t.Parallel()
	tests := tokenCases
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := registrytest.New(t)
			r.AskForTokens(test.realm, "user", canary)
			if test.rule != nil {
				r.Inject(*test.rule)
			}
			var logins []registry.Login
			if test.password != "" {
				logins = append(logins, registry.Login{Address: r.Host(), Username: "user", Password: test.password})
			}
			keychain := dockerKeychain(t, test.config, logins...)
			realm := test.realm
			if realm == "" {
				realm = "http://" + r.Host() + registrytest.TokenPath
			}
			got, err := patientClient(keychain).Token(t.Context(), registry.TokenRequest{
				Host: r.Host(), Realm: realm, Service: "registrytest", Scopes: []string{"repository:app:pull,push"},
			})
			if test.want == "" && (err != nil || !strings.HasPrefix(got.Token, registrytest.TokenMark) ||
				got.ExpiresIn != 5*time.Minute) {
				t.Errorf("got %v, %v", got, err)
			}
			want := strings.ReplaceAll(test.want, "HOST", r.Host())
			if want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
				t.Errorf("got %v, want %q", err, want)
			}
			if err != nil && strings.Contains(err.Error(), canary) {
				t.Errorf("the password is in the error: %v", err)
			}
		})
	}
}

// TestAnonymousToken holds that a token is given without a login, as to everybody.
func TestAnonymousToken(t *testing.T) {
	t.Parallel()
	r := registrytest.New(t)
	r.AskForTokens("", "", "")
	got, err := singleTryClient(dockerKeychain(t, `{}`)).Token(t.Context(), registry.TokenRequest{
		Host: r.Host(), Realm: "http://" + r.Host() + registrytest.TokenPath,
		Scopes: []string{"repository:library/alpine:pull"},
	})
	if err != nil || got.Token == "" {
		t.Error(err)
	}
}

// TestTokenServers holds that a registry may name any token server, also in a private network, but none that only this
// machine reaches.
func TestTokenServers(t *testing.T) {
	t.Parallel()
	keychain := dockerKeychain(t, `{}`, registry.Login{Address: "registry.example.com", Username: "user",
		Password: canary})
	_, err := singleTryClient(keychain).Token(t.Context(), registry.TokenRequest{Host: "registry.example.com",
		Realm: "https://169.254.169.254/token"})
	want := "logging in to registry.example.com: unreachable: registry.example.com sends us to 169.254.169.254, " +
		"which is an address of this machine's link or cloud: refused"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	near, far := registrytest.New(t), registrytest.New(t)
	far.AskForTokens("", "user", canary)
	keychain = dockerKeychain(t, `{}`, registry.Login{Address: near.Host(), Username: "user", Password: canary})
	got, err := singleTryClient(keychain).Token(t.Context(), registry.TokenRequest{Host: near.Host(), Realm: "http://" +
		far.Host() + registrytest.TokenPath})
	if err != nil || got.Token == "" {
		t.Error(err)
	}
}
