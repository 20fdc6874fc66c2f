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

// Credential is a login for one registry. The zero value is anonymous.
type Credential struct{ Username, Password, IdentityToken string }

// secret returns the user and the secret that a daemon gets. An identity token comes without a user.
func (c Credential) secret() (username, secret string) {
	if c.IdentityToken != "" {
		return "", c.IdentityToken
	}
	return c.Username, c.Password
}

// Credentials looks up the credential for one host at the time when that host asks. Docker Hub asks as
// registry-1.docker.io.
type Credentials func(ctx context.Context, host string) (Credential, error)

// TokenRequest is a registry's request for a token. Realm is the URL of the token server.
type TokenRequest struct {
	Host, Realm, Service string
	Scopes               []string
}

// Tokens gets a token from a token server. The daemon then gets the token and no password. expiresIn is 0 if the server
// does not say how long the token is valid.
type Tokens func(ctx context.Context, r TokenRequest) (token string, expiresIn time.Duration, err error)

// registryAuth answers a daemon that needs a login or a token for a registry.
//
// It replaces BuildKit's own provider. That one sends passwords over plain http to any URL that a registry names. It
// trusts only the authorities of the machine, tries once, and writes into Docker's folder.
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

// lookup returns the credential for a host and hides its secrets from then on.
func (a *registryAuth) lookup(ctx context.Context, host string) (Credential, error) {
	c, err := a.credentials(ctx, host)
	a.redact.learn(c.Password)
	a.redact.learn(c.IdentityToken)
	return c, err
}

// defaultTokenLife is how long a token is valid if the server does not say. It is the value of the specification of
// distribution.
const defaultTokenLife = time.Minute

// FetchToken implements auth.AuthServer.
func (a *registryAuth) FetchToken(ctx context.Context, r *auth.FetchTokenRequest) (*auth.FetchTokenResponse, error) {
	request := TokenRequest{Host: r.Host, Realm: r.Realm, Service: r.Service, Scopes: r.Scopes}
	token, expiresIn, err := a.tokens(ctx, request)
	if err != nil {
		return nil, err
	}
	a.redact.learn(token)
	if expiresIn <= 0 {
		expiresIn = defaultTokenLife
	}
	expiresIn = max(expiresIn, 2*time.Second) // a daemon keeps a token of one second forever
	return &auth.FetchTokenResponse{Token: token, ExpiresIn: int64(expiresIn.Seconds())}, nil
}

// GetTokenAuthority implements auth.AuthServer. It returns the public key of this session's credential. A daemon shares
// the token of one session only with sessions of the same key.
func (a *registryAuth) GetTokenAuthority(
	ctx context.Context, r *auth.GetTokenAuthorityRequest,
) (*auth.GetTokenAuthorityResponse, error) {
	key, err := a.authorityKey(ctx, r.Host, r.Salt)
	if err != nil {
		return nil, err
	}
	return &auth.GetTokenAuthorityResponse{PublicKey: key[ed25519.SeedSize:]}, nil
}

// VerifyTokenAuthority implements auth.AuthServer. It signs the payload to prove that this session has the key.
func (a *registryAuth) VerifyTokenAuthority(
	ctx context.Context, r *auth.VerifyTokenAuthorityRequest,
) (*auth.VerifyTokenAuthorityResponse, error) {
	key, err := a.authorityKey(ctx, r.Host, r.Salt)
	if err != nil {
		return nil, err
	}
	return &auth.VerifyTokenAuthorityResponse{Signed: sign.Sign(nil, r.Payload, (*[64]byte)(key))}, nil
}

// authoritySeed returns a random part of every key. Without it, a daemon could guess the password from the key.
var authoritySeed = sync.OnceValue(func() []byte {
	seed := make([]byte, sha256.Size)
	_, _ = rand.Read(seed) // never fails
	return seed
})

// authorityKey derives a key from the credential for a host: the same credential has the same key. All sessions without
// a credential have one key too. It returns codes.Unavailable if the daemon fetches tokens itself.
func (a *registryAuth) authorityKey(ctx context.Context, host string, salt []byte) (ed25519.PrivateKey, error) {
	if a.tokens == nil {
		return nil, status.Error(codes.Unavailable, "the daemon fetches tokens itself")
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
