package buildkit

import (
	"context"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"sync"
	"time"

	"github.com/moby/buildkit/session/auth"
	"golang.org/x/crypto/nacl/sign"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue/wire"
)

// Credential answers a registry's challenge. Empty is anonymous.
type Credential struct{ Username, Password, IdentityToken string }

// secret is what a daemon is given: an identity token comes without a user.
func (c Credential) secret() (username, secret string) {
	if c.IdentityToken != "" {
		return "", c.IdentityToken
	}
	return c.Username, c.Password
}

// Credentials looks a credential up for exactly the host that asks, when it asks. Docker Hub asks as registry-1.docker.io.
type Credentials func(ctx context.Context, host string) (Credential, error)

// TokenRequest is what a registry wants in place of a login with each request: a token from the server at the URL Realm.
type TokenRequest struct {
	Host, Realm, Service string
	Scopes               []string
}

// Tokens gets a token from a token server, so that no password leaves this process for a daemon. ExpiresIn is 0 if the server does not say.
type Tokens func(ctx context.Context, r TokenRequest) (token string, expiresIn time.Duration, err error)

// registryAuth answers a daemon that is challenged by a registry. It stands in for BuildKit's own provider, which sends passwords over
// plain http to wherever a registry says, knows no authorities but the machine's, tries once, and writes into docker's folder.
type registryAuth struct {
	credentials Credentials
	tokens      Tokens // nil: the daemon logs in itself
	redact      *redaction
}

// Register implements session.Attachable.
func (a *registryAuth) Register(server *grpc.Server) {
	auth.RegisterAuthServer(wire.Services{ServiceRegistrar: server}, a)
}

// Credentials implements auth.AuthServer, for registries that want a login with each request.
func (a *registryAuth) Credentials(ctx context.Context, r *auth.CredentialsRequest) (*auth.CredentialsResponse, error) {
	c, err := a.lookup(ctx, r.Host)
	username, secret := c.secret()
	return &auth.CredentialsResponse{Username: username, Secret: secret}, err
}

func (a *registryAuth) lookup(ctx context.Context, host string) (Credential, error) {
	c, err := a.credentials(ctx, host)
	a.redact.learn(c.Password)
	a.redact.learn(c.IdentityToken)
	return c, err
}

// shortestToken is how long a token is good that does not say so: the specification of distribution asks for it.
const shortestToken = time.Minute

// FetchToken implements auth.AuthServer.
func (a *registryAuth) FetchToken(ctx context.Context, r *auth.FetchTokenRequest) (*auth.FetchTokenResponse, error) {
	token, expiresIn, err := a.tokens(ctx, TokenRequest{Host: r.Host, Realm: r.Realm, Service: r.Service, Scopes: r.Scopes})
	if err != nil {
		return nil, err
	}
	a.redact.learn(token)
	if expiresIn <= 0 {
		expiresIn = shortestToken
	}
	expiresIn = max(expiresIn, 2*time.Second) // a daemon keeps a token of one second for ever
	return &auth.FetchTokenResponse{Token: token, ExpiresIn: int64(expiresIn.Seconds())}, nil
}

// GetTokenAuthority implements auth.AuthServer: a daemon gives a token that one session fetched only to sessions of the same key.
func (a *registryAuth) GetTokenAuthority(ctx context.Context, r *auth.GetTokenAuthorityRequest) (*auth.GetTokenAuthorityResponse, error) {
	key, err := a.authority(ctx, r.Host, r.Salt)
	if err != nil {
		return nil, err
	}
	return &auth.GetTokenAuthorityResponse{PublicKey: key[ed25519.SeedSize:]}, nil
}

// VerifyTokenAuthority implements auth.AuthServer: we have that key.
func (a *registryAuth) VerifyTokenAuthority(ctx context.Context, r *auth.VerifyTokenAuthorityRequest) (*auth.VerifyTokenAuthorityResponse, error) {
	key, err := a.authority(ctx, r.Host, r.Salt)
	if err != nil {
		return nil, err
	}
	return &auth.VerifyTokenAuthorityResponse{Signed: sign.Sign(nil, r.Payload, (*[64]byte)(key))}, nil
}

// authoritySeed makes the keys this process's own: nobody can guess a password from them.
var authoritySeed = sync.OnceValue(func() []byte {
	seed := make([]byte, sha256.Size)
	_, _ = rand.Read(seed) // never fails
	return seed
})

// authority is the key of all who have the same credential for a host; whoever has none is like anybody else.
func (a *registryAuth) authority(ctx context.Context, host string, salt []byte) (ed25519.PrivateKey, error) {
	if a.tokens == nil {
		return nil, status.Error(codes.Unavailable, "tokens are the daemon's own to fetch")
	}
	c, err := a.lookup(ctx, host)
	if err != nil {
		return nil, err
	}
	mac := hmac.New(sha256.New, salt)
	if username, secret := c.secret(); secret != "" {
		for _, field := range []string{string(authoritySeed()), host, username, secret} {
			_, _ = mac.Write([]byte(field)) // a hash does not fail
			_, _ = mac.Write([]byte{0})
		}
	}
	return ed25519.NewKeyFromSeed(mac.Sum(nil)), nil
}
