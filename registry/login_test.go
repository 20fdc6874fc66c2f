package registry_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

func TestBasicLogin(t *testing.T) {
	t.Parallel()
	r := registrytest.New(t, registrytest.Login("user", canary))
	digest := r.Push(t, "app", registrytest.Index(t, "linux/amd64", "linux/arm64"))
	tag := parseTag(t, r.Host()+"/app:1")
	client := singleTryClient(dockerKeychain(t, `{}`, registry.Login{Address: "http://" + r.Host() + "/v2/",
		Username: "user",
		Password: canary}))
	if _, err := client.Inspect(t.Context(), tag.Repository(), digest); err != nil {
		t.Error(err)
	}
	if _, err := client.SetTags(t.Context(), tag.Repository(), digest, []registry.Tag{tag}); err != nil {
		t.Error(err)
	}
	if deleted, err := client.DeleteTag(t.Context(), tag, digest); err != nil || !deleted {
		t.Error(deleted, err)
	}
}

func TestHelperLogin(t *testing.T) {
	t.Parallel()
	r := registrytest.New(t)
	digest := r.Push(t, "app:1", registrytest.Image(t, "linux/amd64"))
	r.Wrap(requireBasicLogin("user of "+strings.ReplaceAll(r.Host(), ":", "-"), canary))
	client := singleTryClient(dockerKeychain(t, `{"credsStore":"broken","credHelpers":{"`+r.Host()+`":"canary"}}`))
	if got, err := client.Resolve(t.Context(), parseTag(t, r.Host()+"/app:1")); err != nil || got != digest {
		t.Error(got, err)
	}
}

// requireBasicLogin returns a handler that asks for a login. It is put before the registry when its port is known.
func requireBasicLogin(username, password string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if u, p, _ := req.BasicAuth(); u != username || p != password {
				w.Header().Set("Www-Authenticate", `Basic realm="test"`)
				registrytest.Refuse(w, http.StatusUnauthorized, "UNAUTHORIZED", "authentication required")
				return
			}
			next.ServeHTTP(w, req)
		})
	}
}

// TestNoLookupWithoutChallenge holds that a registry that lets everybody in works with a broken credential helper.
func TestNoLookupWithoutChallenge(t *testing.T) {
	t.Parallel()
	r := registrytest.New(t)
	digest := r.Push(t, "app", registrytest.Image(t, "linux/amd64"))
	tag := parseTag(t, r.Host()+"/app:1")
	client := singleTryClient(dockerKeychain(t, `{"credsStore":"broken"}`))
	if _, err := client.SetTags(t.Context(), tag.Repository(), digest, []registry.Tag{tag}); err != nil {
		t.Error(err)
	}
}

// TestLateChallenge holds that a registry may let everybody ping and read, and ask for a login at a write. Some answer
// 403 then.
func TestLateChallenge(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusUnauthorized, http.StatusForbidden} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			r := registrytest.New(t)
			digest := r.Push(t, "app", registrytest.Image(t, "linux/amd64"))
			r.Wrap(func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
					if _, password, _ := req.BasicAuth(); req.Method == http.MethodPut && password != canary {
						registrytest.Refuse(w, status, "DENIED", "no")
						return
					}
					next.ServeHTTP(w, req)
				})
			})
			tag := parseTag(t, r.Host()+"/app:1")
			client := singleTryClient(dockerKeychain(t, `{}`,
				registry.Login{Address: r.Host(), Username: "user", Password: canary}))
			if _, err := client.SetTags(t.Context(), tag.Repository(), digest, []registry.Tag{tag}); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestLoginErrors(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, config, want string }{
		{"none", `{}`, "401 unauthorized: no credentials for HOST"},
		{
			"wrong", `{"credsStore":"canary"}`, "401 unauthorized: authentication required; HOST refused the " +
				"credentials",
		},
		{
			"broken helper", `{"credsStore":"broken"}`, "credentials for HOST: docker-credential-broken: exit status 3",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := registrytest.New(t, registrytest.Login("user", "another password"))
			tag := parseTag(t, r.Host()+"/app:1")
			_, err := singleTryClient(dockerKeychain(t, test.config)).Resolve(t.Context(), tag)
			want := "resolving " + tag.String() + ": " + strings.ReplaceAll(test.want, "HOST", r.Host())
			if err == nil || err.Error() != want {
				t.Errorf("got  %v\nwant %s", err, want)
			}
		})
	}
}

// TestEchoedCredentials holds that no error shows the credential, which a registry, or a proxy that debugs, may repeat.
func TestEchoedCredentials(t *testing.T) {
	t.Parallel()
	r := registrytest.New(t)
	r.Wrap(func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			_, password, sent := req.BasicAuth()
			w.Header().Set("Www-Authenticate", `Basic realm="test"`)
			status := map[bool]int{false: http.StatusUnauthorized, true: http.StatusForbidden}[sent]
			registrytest.Refuse(w, status, "DENIED", "you sent "+req.Header.Get("Authorization")+", that is "+password)
		})
	})
	client := singleTryClient(dockerKeychain(t, `{}`, registry.Login{Address: r.Host(), Username: "user",
		Password: canary}))
	_, err := client.Resolve(t.Context(), parseTag(t, r.Host()+"/app:1"))
	expectError(t, err, fault.ErrDenied, "resolving "+r.Host()+"/app:1: 403 denied: you sent Basic [credential], "+
		"that is "+
		"[credential]", fault.AccessDenied)
}

// requireIdentityToken returns a handler that exchanges the identity token for an access token, and lets only the
// access token in.
func requireIdentityToken(host, answer string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			switch {
			case req.URL.Path == "/token" && req.PostFormValue("refresh_token") == canary:
				_, _ = w.Write([]byte(answer))
			case req.URL.Path == "/token":
				registrytest.Refuse(w, http.StatusUnauthorized, "UNAUTHORIZED",
					"bad token "+req.PostFormValue("refresh_token"))
			case req.Header.Get("Authorization") == "Bearer access":
				next.ServeHTTP(w, req)
			default:
				w.Header().Set("Www-Authenticate", `Bearer realm="http://`+host+`/token",service="test"`)
				registrytest.Refuse(w, http.StatusUnauthorized, "UNAUTHORIZED", "authentication required")
			}
		})
	}
}

func TestIdentityToken(t *testing.T) {
	t.Parallel()
	access, _ := json.Marshal(map[string]string{"access_token": "access"})
	r := registrytest.New(t)
	digest := r.Push(t, "app", registrytest.Image(t, "linux/amd64"))
	r.Wrap(requireIdentityToken(r.Host(), string(access)))
	tag := parseTag(t, r.Host()+"/app:1")
	client := singleTryClient(dockerKeychain(t, `{"credsStore":"token"}`))
	if _, err := client.SetTags(t.Context(), tag.Repository(), digest, []registry.Tag{tag}); err != nil {
		t.Error(err)
	}
}

func TestTokenServerErrors(t *testing.T) {
	t.Parallel()
	const wrong = "wrong-4712"
	tests := []struct{ name, config, errorClass, want string }{
		{
			"refused", `{"auths":{"HOST":{"identitytoken":"` + wrong + `"}}}`, "",
			"401 unauthorized: bad token [credential]; HOST refused the credentials",
		},
		{
			"no token", `{"credsStore":"token"}`, `{"refresh_token":"` + wrong + `"}`,
			"logging in to HOST: no token in bearer response:",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := registrytest.New(t)
			r.Wrap(requireIdentityToken(r.Host(), test.errorClass))
			tag := parseTag(t, r.Host()+"/app:1")
			_, err := singleTryClient(dockerKeychain(t, strings.ReplaceAll(test.config, "HOST",
				r.Host()))).Resolve(t.Context(), tag)
			want := "resolving " + tag.String() + ": " + strings.ReplaceAll(test.want, "HOST", r.Host())
			if err == nil || err.Error() != want {
				t.Errorf("got  %v\nwant %s", err, want)
			}
			if strings.Contains(fmt.Sprint(err), wrong) || strings.Contains(fmt.Sprint(err), canary) {
				t.Error("the error holds a token")
			}
		})
	}
}
