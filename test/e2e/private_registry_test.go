//go:build linux

package e2e

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// privateRegistry is a registry of one test. It asks for a password, which can change.
type privateRegistry struct {
	*registrytest.Registry
	password atomic.Pointer[string]
}

func newPrivateRegistry(t testing.TB, password string) *privateRegistry {
	t.Helper()
	p := &privateRegistry{Registry: registrytest.New(t)}
	p.password.Store(&password)
	p.Wrap(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if _, given, _ := req.BasicAuth(); given != *p.password.Load() {
				w.Header().Set("Www-Authenticate", `Basic realm="private"`)
				registrytest.Refuse(w, http.StatusUnauthorized, "UNAUTHORIZED", "authentication required")
				return
			}
			next.ServeHTTP(w, req)
		})
	})
	return p
}

func (p *privateRegistry) reference(t testing.TB, text string) (name.Reference, []remote.Option) {
	t.Helper()
	ref, err := name.ParseReference(p.Host() + "/" + text)
	if err != nil {
		t.Fatal(err)
	}
	login := &authn.Basic{Username: "test", Password: *p.password.Load()}
	return ref, []remote.Option{remote.WithContext(t.Context()), remote.WithAuth(login)}
}

// tagDigest returns the digest behind a tag such as "app:1", or "" if there is none.
func (p *privateRegistry) tagDigest(t testing.TB, tag string) string {
	t.Helper()
	ref, options := p.reference(t, tag)
	descriptor, err := remote.Head(ref, options...)
	if isNotFound(err) {
		return ""
	}
	if err != nil {
		t.Fatal(err)
	}
	return descriptor.Digest.String()
}

// remove deletes a tag, "app:1", or an image with all its tags, "app@sha256:...".
func (p *privateRegistry) remove(t testing.TB, reference string) {
	t.Helper()
	ref, options := p.reference(t, reference)
	if err := remote.Delete(ref, options...); err != nil {
		t.Fatal(err)
	}
}

// push moves a tag to another image.
func (p *privateRegistry) push(t testing.TB, tag string) {
	t.Helper()
	ref, options := p.reference(t, tag)
	if err := remote.Write(ref, registrytest.Image(t, "linux/amd64"), options...); err != nil {
		t.Fatal(err)
	}
}

// cli runs another command of the CLI, which must succeed.
func cli(t testing.TB, s *stack.Test, args ...string) stack.Result {
	t.Helper()
	result, err := s.Run(context.WithoutCancel(t.Context()), append(args, "--stack", "dev")...)
	if err != nil {
		t.Fatal(err)
	}
	succeeds(t, result)
	return result
}
