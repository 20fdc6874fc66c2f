//go:build linux

package registry_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
)

// TestInsecureAllowsAPlainRealm holds that plain HTTP for a registry includes the token server that it names, and the
// login. Plain HTTP for the token server alone does not: the registry could name any.
func TestInsecureAllowsAPlainRealm(t *testing.T) { //nolint:paralleltest // the network is the process's own
	if !inNamespace(t, hosts) {
		return
	}
	const realm = "http://storage.example.com:8080/token"
	tests := map[string]struct {
		login   registry.Login // of the registry
		realm   registry.Login // of the token server
		allowed bool
	}{
		"registry is insecure": {
			registry.Login{Insecure: true},
			registry.Login{Address: "elsewhere.example.com"}, true,
		},
		"nothing is": {registry.Login{}, registry.Login{Address: "elsewhere.example.com"}, false},
		"token server alone": {registry.Login{}, registry.Login{Address: "storage.example.com:8080",
			Insecure: true}, false},
		"token server alone, one port": {
			registry.Login{}, registry.Login{Address: "storage.example.com", Insecure: true}, false,
		},
	}
	for name, test := range tests { //nolint:paralleltest // as above
		for _, daemon := range []bool{false, true} {
			t.Run(map[bool]string{false: name, true: name + ", for a daemon"}[daemon], func(t *testing.T) {
				port := map[bool]string{true: "80", false: "443"}[test.login.Insecure]
				server, token := listen(t, "203.0.113.5:"+port, port == "443"), listen(t, "203.0.113.6:8080", false)
				server.handler, token.handler = hostile{realm: realm}, victim
				test.login.Address, test.login.Username, test.login.Password = "registry.example.com", "user", canary
				test.login.CAFile = server.caFile
				client := registry.New(dockerKeychain(t, `{}`, test.login, test.realm), registry.Options{
					Transport: &http.Transport{}, RetryWaits: []time.Duration{},
				})
				var err error
				if daemon {
					_, err = client.Token(t.Context(), registry.TokenRequest{
						Host: "registry.example.com", Realm: realm, Scopes: []string{"repository:app:pull"},
					})
				} else {
					_, err = client.Resolve(t.Context(), parseTag(t, "registry.example.com/app:1"))
				}
				asked, logins := token.count()
				if test.allowed && (err != nil || logins == 0) || !test.allowed && (err == nil || logins > 0) {
					t.Errorf("asked %d times with %d logins: %v", asked, logins, err)
				}
			})
		}
	}
}
