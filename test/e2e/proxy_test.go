//go:build linux

package e2e

import (
	"encoding/base64"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"strings"
	"sync"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// proxy forwards the requests of clients that know its password. It records which clients came.
type proxy struct {
	*httptest.Server
	seen sync.Map // the first words of user agents
}

const proxyPassword = "proxy-canary"

func newProxy(t *testing.T) *proxy {
	t.Helper()
	p := &proxy{}
	forward := &httputil.ReverseProxy{Rewrite: func(*httputil.ProxyRequest) {}}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		login := "Basic " + base64.StdEncoding.EncodeToString([]byte("me:"+proxyPassword))
		if req.Method == http.MethodConnect || req.Header.Get("Proxy-Authorization") != login {
			w.WriteHeader(http.StatusProxyAuthRequired)
			return
		}
		agent, _, _ := strings.Cut(req.UserAgent(), "/")
		p.seen.Store(strings.Fields(agent + " ?")[0], true)
		forward.ServeHTTP(w, req)
	}))
	t.Cleanup(p.Close)
	return p
}

// The provider and its daemon share the environment and use the proxy. Its password is not shown.
func TestPushThroughAProxy(t *testing.T) {
	t.Parallel()
	registry, err := registrytest.Start(net.JoinHostPort(registrytest.OwnAddress(t), "0"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = registry.Close() })
	proxy := newProxy(t)
	images := program(t, withHost(registry.Host(), insecureProgram),
		map[string]string{"Dockerfile": "FROM scratch\nCOPY file /\n", "file": "x"})
	s := stack.New(t, stack.Config{Bin: shared.Bin, Program: images, Values: map[string]string{"insecure": "true"},
		Env: []string{"HTTP_PROXY=" + strings.Replace(proxy.URL, "//", "//me:"+proxyPassword+"@", 1),
			"NO_PROXY=127.0.0.1,localhost"}})
	result := s.Up("--skip-preview")
	succeeds(t, result, "+ 2 created")
	for _, agent := range []string{"pulumi-buildkit", "buildkit"} {
		if _, passed := proxy.seen.Load(agent); !passed {
			proxy.seen.Range(func(agent, _ any) bool { t.Log(agent); return true })
			t.Errorf("%s did not go through the proxy", agent)
		}
	}
	if linesWith(result.All(), proxyPassword) > 0 {
		t.Errorf("a password is shown:\n%s", result.All())
	}
}
