package registry_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// TestProxies holds that the error names the proxy, and not the registry.
func TestProxies(t *testing.T) {
	t.Parallel()
	strict := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusProxyAuthRequired)
	}))
	t.Cleanup(strict.Close)
	for name, test := range map[string]struct{ proxy, host, want string }{
		"dead": {
			"http://127.0.0.1:1", "ghcr.io",
			"unreachable: proxyconnect tcp: dial tcp 127.0.0.1:1: connect: connection refused",
		},
		"407":           {strict.URL, "ghcr.io", "unreachable: Proxy Authentication Required"},
		"407 over http": {strict.URL, "registry.lan", "unreachable: proxy authentication required"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address, err := url.Parse(test.proxy)
			if err != nil {
				t.Fatal(err)
			}
			through := &http.Transport{Proxy: http.ProxyURL(address)}
			t.Cleanup(through.CloseIdleConnections)
			client := registry.New(dockerKeychain(t, `{}`, registry.Login{Address: "registry.lan", Insecure: true}),
				registry.Options{Transport: through, RetryWaits: []time.Duration{}})
			_, err = client.Resolve(t.Context(), parseTag(t, test.host+"/app:1"))
			expectError(t, err, fault.ErrUnreachable, "resolving "+test.host+"/app:1: "+test.want)
		})
	}
}
