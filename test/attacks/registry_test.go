//go:build linux

package attacks

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// The registry attacks: it answers at another address than this machine's loopback, and sends the plugin and the daemon
// to a service here.

// loginCanary is a password that nobody but the registry may see.
const loginCanary = "canary-of-the-registry-4711"

// serveVictim starts a service on this machine, which would be a token server and a registry. It returns the port, and
// how often the service was asked.
func serveVictim(t *testing.T) (port string, asked *atomic.Int64) {
	t.Helper()
	asked = &atomic.Int64{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.Header().Set("Docker-Content-Digest", "sha256:"+strings.Repeat("0", 64))
		_, _ = w.Write([]byte(`{"token":"access","expires_in":300}`))
	}))
	t.Cleanup(server.Close)
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port, asked
}

// serveElsewhere starts a registry at an address of the machine that is not loopback, and returns its host.
func serveElsewhere(t *testing.T, handler http.HandlerFunc) (host string) {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", registrytest.OwnAddress(t)+":0")
	if err != nil {
		t.Fatal(err)
	}
	server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: handler}}
	server.Start()
	t.Cleanup(server.Close)
	return listener.Addr().String()
}

// openHostileProgram opens a stack that builds the Dockerfile and pushes to the registry at host. more are lines of the
// image's properties.
func openHostileProgram(t *testing.T, host, more, dockerfile string) *stack.Test {
	t.Helper()
	return shared.Open(t, shared.Project(t, fmt.Sprintf(`
context: { location: app }
platforms: [linux/amd64]
tags: ["%[1]s/app:1"]
registries: [{ address: "%[1]s", username: user, password: %[2]s, insecure: true }]
%[3]s`, host, loginCanary, more), map[string]string{"app/Dockerfile": strings.ReplaceAll(dockerfile, "HOST", host)}))
}

// A registry names a token server on this machine, which would be given the login: by the daemon's push, through the
// plugin.
func TestRegistryNamesATokenServerOnThisMachine(t *testing.T) {
	t.Parallel()
	port, asked := serveVictim(t)
	host := serveElsewhere(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Www-Authenticate", `Bearer realm="http://localhost:`+port+`/token",service="hostile"`)
		registrytest.Refuse(w, http.StatusUnauthorized, "UNAUTHORIZED", "log in")
	})
	result := openHostileProgram(t, host, "", "FROM scratch\nCOPY Dockerfile /\n").Up()
	stack.Fails(t, result, "which is this machine itself: refused; name localhost:"+port+" in registries")
	if strings.Contains(result.All(), loginCanary) {
		t.Error("the login is in the output")
	}
	if n := asked.Load(); n > 0 {
		t.Errorf("the service of this machine was asked %d times", n)
	}
}

// A registry of a base image redirects manifests to a service on this machine, while a preview looks for the image's
// digest.
func TestRegistryRedirectsToThisMachine(t *testing.T) {
	t.Parallel()
	port, asked := serveVictim(t)
	host := serveElsewhere(t, func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path != "/v2/" {
			http.Redirect(w, req, "http://localhost:"+port+"/v2/app/manifests/1", http.StatusTemporaryRedirect)
		}
	})
	result := openHostileProgram(t, host, "pull: true", "FROM HOST/base:1\n").Preview()
	stack.Fails(t, result, "which is this machine itself: refused; name localhost:"+port+" in registries")
	if n := asked.Load(); n > 0 {
		t.Errorf("the service of this machine was asked %d times", n)
	}
}
