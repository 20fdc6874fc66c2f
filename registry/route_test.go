//go:build linux

package registry_test

import (
	"context"
	"encoding/pem"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// hosts are the hosts of the network in which registries attack.
var hosts = map[string]string{
	"registry.example.com": "203.0.113.5",     // somebody's, in the internet
	"storage.example.com":  "203.0.113.6",     // where others store blobs
	"corp.example.com":     "10.9.0.5",        // a registry in the user's private network
	"internal.example.com": "10.9.0.6",        // what else is there
	"here.example.com":     "127.0.0.1",       // a name for this machine
	"metadata.example.com": "169.254.169.254", // a name for the cloud's service
}

// server is one host. It records its requests, and whether they carry the login.
type server struct {
	caFile string

	mu      sync.Mutex
	handler http.Handler
	asked   int
	logins  int
}

func (s *server) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	_, password, _ := req.BasicAuth()
	_ = req.ParseForm()
	s.mu.Lock()
	s.asked++
	if password == canary || req.PostForm.Get("refresh_token") == canary {
		s.logins++
	}
	handler := s.handler
	s.mu.Unlock()
	handler.ServeHTTP(w, req)
}

// count returns how many requests came, and how many of them carried a login.
func (s *server) count() (asked, logins int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked, s.logins
}

// listen serves a host over TLS, or over plain HTTP.
func listen(t *testing.T, address string, secure bool) *server {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	s := &server{handler: http.NotFoundHandler()}
	web := httptest.NewUnstartedServer(s)
	_ = web.Listener.Close()
	web.Listener, web.Config.ErrorLog = listener, quiet
	t.Cleanup(web.Close)
	if !secure {
		web.Start()
		return s
	}
	web.StartTLS()
	s.caFile = filepath.Join(t.TempDir(), "ca.pem")
	block := &pem.Block{Type: "CERTIFICATE", Bytes: web.Certificate().Raw}
	if err := os.WriteFile(s.caFile, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

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

// network443 listens as all hosts.
func network443(t *testing.T) map[string]*server {
	t.Helper()
	servers := map[string]*server{
		"localhost": listen(t, "127.0.0.1:8080", false),
		"plain":     listen(t, "203.0.113.6:8080", false),
		"here444":   listen(t, "127.0.0.1:444", true),
	}
	for name, address := range hosts {
		servers[strings.TrimSuffix(name, ".example.com")] = listen(t, address+":443", true)
	}
	for _, s := range servers {
		s.handler = victim
	}
	return servers
}

// keychainFor returns a keychain with a login for the registry, and with an entry without one for a host that the user
// names.
func keychainFor(t *testing.T, servers map[string]*server, from, named string) *registry.Keychain {
	t.Helper()
	logins := []registry.Login{{Address: from + ".example.com", Username: "user", Password: canary,
		CAFile: servers[from].caFile}}
	if named != "" {
		logins = append(logins, registry.Login{Address: named})
	}
	return dockerKeychain(t, `{}`, logins...)
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
