package registry_test

import (
	"net/http"
	"slices"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// hideFromStrangers returns a handler that lets everybody ping, and answers 404 to requests without a login.
func hideFromStrangers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if _, password, _ := req.BasicAuth(); req.URL.Path != "/v2/" && password != canary {
			registrytest.Refuse(w, http.StatusNotFound, "NAME_UNKNOWN", "repository name not known to registry")
			return
		}
		next.ServeHTTP(w, req)
	})
}

// TestHiddenRepository holds that a repository is found which the registry shows only after a login that it does not
// ask for.
func TestHiddenRepository(t *testing.T) {
	t.Parallel()
	r := registrytest.New(t)
	digest := r.Push(t, "app:1", registrytest.Image(t, "linux/amd64"))
	r.Wrap(hideFromStrangers)
	tag := parseTag(t, r.Host()+"/app:1")
	login := registry.Login{Address: r.Host(), Username: "user", Password: canary}
	fresh := func() *registry.Client { return singleTryClient(dockerKeychain(t, `{}`, login)) }
	for name, find := range map[string]func(*registry.Client) (string, error){
		"resolve": func(c *registry.Client) (string, error) { return c.Resolve(t.Context(), tag) },
		"find":    func(c *registry.Client) (string, error) { return c.Find(t.Context(), tag) },
		"verify": func(c *registry.Client) (string, error) {
			image, err := c.Inspect(t.Context(), tag.Repository(), digest)
			return image.Digest, err
		},
	} {
		if got, err := find(fresh()); err != nil || got != digest {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if found, err := fresh().Exists(t.Context(), tag.Repository(), digest); err != nil || !found {
		t.Errorf("exists: %t, %v", found, err)
	}
	if deleted, err := fresh().DeleteTag(t.Context(), tag, digest); err != nil || !deleted {
		t.Errorf("delete: %t, %v", deleted, err)
	}
}

// TestNotFoundAfterLogin holds that a 404 counts after one login, and at once without credentials.
func TestNotFoundAfterLogin(t *testing.T) {
	t.Parallel()
	const ping, head, get = "GET /v2/", "HEAD /v2/app/manifests/1", "GET /v2/app/manifests/1"
	tests := map[string]struct {
		config string
		guard  func(http.Handler) http.Handler
		want   []string
	}{
		"logged in":    {`{"credsStore":"canary"}`, hideFromStrangers, []string{ping, head, head, get, head, get}},
		"anonymous":    {`{}`, hideFromStrangers, []string{ping, head, get, head, get}},
		"no helper":    {`{"credsStore":"broken"}`, hideFromStrangers, []string{ping, head, get, head, get}},
		"was asked":    {`{"credsStore":"canary"}`, requireLoginAtPing, []string{ping, head, get, head, get}},
		"free for all": {`{"credsStore":"canary"}`, requireNothing, []string{ping, head, head, get, head, get}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := registrytest.New(t)
			r.Wrap(test.guard)
			client, tag := singleTryClient(dockerKeychain(t, test.config)), parseTag(t, r.Host()+"/app:1")
			for range 2 {
				_, err := client.Resolve(t.Context(), tag)
				expectIs(t, err, fault.ErrNotFound)
			}
			var sent []string
			for _, request := range r.Requests() {
				sent = append(sent, request.Method+" "+request.Path)
			}
			if !slices.Equal(sent, test.want) {
				t.Errorf("sent %q, want %q", sent, test.want)
			}
		})
	}
}

// requireNothing lets every request through.
func requireNothing(next http.Handler) http.Handler { return next }

// requireLoginAtPing returns a handler that asks for any login at the ping.
func requireLoginAtPing(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if _, _, sent := req.BasicAuth(); !sent {
			w.Header().Set("Www-Authenticate", `Basic realm="test"`)
			registrytest.Refuse(w, http.StatusUnauthorized, "UNAUTHORIZED", "authentication required")
			return
		}
		next.ServeHTTP(w, req)
	})
}
