//go:build linux

package registry_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// hostile is a registry that sends us elsewhere: with its ping, with manifests, or to a token server.
type hostile struct{ ping, manifest, realm string }

func (h hostile) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	ping := req.URL.Path == "/v2/"
	switch {
	case ping && h.ping != "":
		http.Redirect(w, req, h.ping, http.StatusTemporaryRedirect)
	case h.realm != "" && !strings.HasPrefix(req.Header.Get("Authorization"), "Bearer "):
		w.Header().Set("Www-Authenticate", `Bearer realm="`+h.realm+`",service="hostile"`)
		registrytest.Refuse(w, http.StatusUnauthorized, "UNAUTHORIZED", "log in")
	case !ping && h.manifest != "":
		http.Redirect(w, req, h.manifest, http.StatusTemporaryRedirect)
	case !ping:
		w.Header().Set("Docker-Content-Digest", "sha256:"+strings.Repeat("0", 64))
	}
}

// victim answers as a registry or a token server would.
var victim = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
	w.Header().Set("Docker-Content-Digest", "sha256:"+strings.Repeat("0", 64))
	_, _ = w.Write([]byte(`{"token":"access","expires_in":300}`))
})

// hostileRegistryCase is a case of TestHostileRegistry.
type hostileRegistryCase struct {
	from    string // the registry
	attack  hostile
	target  string
	named   string // in the user's list of registries, besides the registry
	refused string
	login   bool
}

// hostileRegistryCases are the cases of TestHostileRegistry, by name.
var hostileRegistryCases = map[string]hostileRegistryCase{
	"ping to localhost": {
		"registry", hostile{ping: "http://localhost:8080/v2/"}, "localhost", "",
		"localhost:8080", false,
	},
	"ping to a name for here": {
		"registry", hostile{ping: "https://here.example.com/v2/"}, "here", "",
		"here.example.com", false,
	},
	"manifest to localhost": {
		"registry", hostile{manifest: "http://localhost:8080/x"}, "localhost", "",
		"localhost:8080", false,
	},
	"manifest to a name for here": {
		"registry", hostile{manifest: "https://here.example.com/x"}, "here", "",
		"here.example.com", false,
	},
	"manifest to metadata": {
		"registry", hostile{manifest: "https://metadata.example.com/x"}, "metadata",
		"", "metadata.example.com", false,
	},
	"metadata by a name in a list": {
		"registry", hostile{manifest: "https://metadata.example.com/x"}, "metadata", "metadata.example.com",
		"metadata.example.com", false,
	},
	"private registry to here": {
		"corp", hostile{manifest: "https://here.example.com/x"}, "here", "",
		"here.example.com", false,
	},
	"private registry to metadata": {
		"corp", hostile{realm: "https://metadata.example.com/token"}, "metadata", "", "metadata.example.com", false,
	},
	"realm by a name for here": {
		"registry", hostile{realm: "https://here.example.com/token"}, "here", "",
		"here.example.com", false,
	},
	"realm in a private network": {
		"registry", hostile{realm: "https://internal.example.com/token"}, "internal",
		"", "internal.example.com", false,
	},
	"ping, then realm on http": {"registry", hostile{ping: "http://localhost:8080/v2/",
		realm: "http://localhost:8080/token"}, "localhost", "", "localhost:8080", false},
	"realm on http": {
		"registry", hostile{realm: "http://storage.example.com:8080/token"}, "plain",
		"", "", false,
	},

	"manifest to storage": {
		"registry", hostile{manifest: "https://storage.example.com/x"}, "storage", "",
		"", false,
	},
	"manifest to private storage": {
		"registry", hostile{manifest: "https://internal.example.com/x"}, "internal",
		"", "", false,
	},
	"realm at another public host": {
		"registry", hostile{realm: "https://storage.example.com/token"}, "storage",
		"", "", true,
	},
	"named realm in a private net": {
		"registry", hostile{realm: "https://internal.example.com/token"}, "internal",
		"internal.example.com", "", true,
	},
	"named host on this machine": {
		"registry", hostile{manifest: "https://here.example.com/x"}, "here",
		"here.example.com", "", false,
	},
	"private registry's own realm": {
		"corp", hostile{realm: "https://internal.example.com/token"}, "internal", "",
		"", true,
	},
	"registry and realm are here": {
		"here", hostile{realm: "https://here.example.com:444/token"}, "here444", "",
		"", true,
	},
	"login after a private storage": {
		"registry", hostile{manifest: "https://internal.example.com/x",
			realm: "https://internal.example.com/token"}, "internal", "", "internal.example.com", false,
	},
}

// TestHostileRegistry holds what a registry cannot make us reach, or log in to, without the user naming it. refused is
// the host in the error. It is "" where the way is allowed; then target gets the request, and the login or not.
func TestHostileRegistry(t *testing.T) { //nolint:paralleltest // the network is the process's own
	if !inNamespace(t, hosts) {
		return
	}
	tests := hostileRegistryCases
	for name, test := range tests { //nolint:paralleltest // as above
		for _, daemon := range []bool{false, true} {
			if daemon && test.attack.realm == "" || daemon && test.attack.ping != "" {
				continue
			}
			t.Run(map[bool]string{false: name, true: name + ", for a daemon"}[daemon], func(t *testing.T) {
				servers := network443(t)
				servers[test.from].handler = test.attack
				keychain := keychainFor(t, servers, test.from, test.named)
				client := registry.New(keychain, registry.Options{Transport: &http.Transport{},
					RetryWaits: []time.Duration{}})
				host := test.from + ".example.com"
				var err error
				if daemon {
					_, err = client.Token(t.Context(), registry.TokenRequest{Host: host, Realm: test.attack.realm,
						Scopes: []string{"repository:app:pull"}})
				} else {
					_, err = client.Resolve(t.Context(), parseTag(t, host+"/app:1"))
				}
				asked, logins := servers[test.target].count()
				switch {
				case test.refused != "":
					refused, ok := errors.AsType[*fault.Error](err)
					if !ok || refused.Kind != fault.UnnamedHost || refused.Host != test.refused ||
						!strings.Contains(err.Error(), test.refused) {
						t.Errorf("got %v, want a refusal of %s", err, test.refused)
					}
					if asked+logins != 0 && test.target != test.from {
						t.Errorf("it was asked %d times, with %d logins", asked, logins)
					}
				case test.target == "plain":
					if err == nil || asked != 0 {
						t.Errorf("asked %d times over plain http: %v", asked, err)
					}
				case err != nil || asked == 0 || logins > 0 != test.login:
					t.Errorf("asked %d times with %d logins: %v", asked, logins, err)
				}
				if err != nil && strings.Contains(err.Error(), canary) {
					t.Error("the error holds the login")
				}
			})
		}
	}
}

// TestLongAnswers holds that an answer without an end costs neither memory nor time.
func TestLongAnswers(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/v2/", "/v2/app/manifests/1", "/token"} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			r := registrytest.New(t)
			r.AskForTokens("", "user", canary)
			r.Wrap(registrytest.Intercept("", path,
				func(w http.ResponseWriter, req *http.Request) { writeWithoutEnd(req.Context(), w) }))
			began := time.Now()
			keychain := dockerKeychain(t, `{}`, registry.Login{Address: r.Host(), Username: "user", Password: canary})
			_, err := singleTryClient(keychain).Find(t.Context(), parseTag(t, r.Host()+"/app:1"))
			if took := time.Since(began); err == nil || took > 20*time.Second {
				t.Errorf("%v after %s", err, took)
			}
		})
	}
}

// writeWithoutEnd writes a body until the client is gone.
func writeWithoutEnd(ctx context.Context, w http.ResponseWriter) {
	block := make([]byte, 1<<20)
	for ctx.Err() == nil {
		if _, err := w.Write(block); err != nil {
			return
		}
	}
}
