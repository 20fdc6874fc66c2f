package registrytest

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// Push uploads an image or an index and returns its digest. A name is "app:1", or "app" to push by digest only.
func (r *Registry) Push(t testing.TB, name string, content remote.Taggable) string {
	t.Helper()
	digest, err := r.push(t.Context(), name, content)
	if err != nil {
		t.Fatal(err)
	}
	return digest
}

// push uploads content, and returns its digest.
func (r *Registry) push(ctx context.Context, repository string, content remote.Taggable) (string, error) {
	hashed, ok := content.(interface{ Digest() (v1.Hash, error) })
	if !ok {
		return "", fmt.Errorf("pushing %T: it is neither an image nor an index", content)
	}
	digest, err := hashed.Digest()
	if err != nil {
		return "", err
	}
	tag, err := name.NewTag(r.host+"/"+repository, name.WithDefaultTag(""))
	if err != nil {
		return "", err
	}
	var reference name.Reference = tag
	if tag.TagStr() == "" {
		reference = tag.Digest(digest.String())
	}
	return digest.String(), r.upload(ctx, reference, content)
}

// upload sends content to the registry.
func (r *Registry) upload(ctx context.Context, reference name.Reference, content remote.Taggable) error {
	pusher, err := remote.NewPusher(remote.WithAuth(r.authenticator()))
	if err != nil {
		return err
	}
	return pusher.Push(ctx, reference, content)
}

// authenticator returns the login to the registry.
func (r *Registry) authenticator() authn.Authenticator {
	if r.login != nil {
		return r.login()
	}
	if r.config.username == "" {
		return authn.Anonymous
	}
	return &authn.Basic{Username: r.config.username, Password: r.config.password}
}

// Inject puts a fault before the registry, from the next request on. A request meets the last injected fault first.
func (r *Registry) Inject(rule Rule) { r.Wrap(rule.wrap) }

// AskForTokens makes the registry ask for tokens in place of a login with each request, as Docker Hub and most others
// do. Its token server gives them, for five minutes, to those who log in there with user name and password. realm is
// the URL that the registry gives of that server; "" is its own.
func (r *Registry) AskForTokens(realm, username, password string) {
	if realm == "" {
		realm = "http://" + r.host + TokenPath
	}
	server := tokenServer{realm: realm, username: username, password: password, token: TokenMark + rand.Text()}
	r.Wrap(func(next http.Handler) http.Handler {
		server := server
		server.next = next
		return server
	})
}
