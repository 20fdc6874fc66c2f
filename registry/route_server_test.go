//go:build linux

package registry_test

import (
	"encoding/pem"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
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
