package buildkit

import (
	"context"
	"time"

	"github.com/docker/cli/cli/config/types"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/auth/authprovider"
)

// Credential answers a registry's challenge. Empty is anonymous.
type Credential struct{ Username, Password, IdentityToken string }

// Credentials looks a credential up for exactly the host that asks, when it asks. Docker Hub asks as registry-1.docker.io.
type Credentials func(ctx context.Context, host string) (Credential, error)

// Access is what one solve may use beside the plan and the recorded trees, and nothing else. It has no say in what is built.
type Access struct {
	Credentials Credentials
	Secrets     map[string]Secret // by id
	SSH         []SSHAgent
	CacheFrom   []Cache
	CacheTo     []Cache
	Exports     []Export
	Silence     time.Duration // of a registry that is pushed to, before the solve fails; 0: 2 minutes
	// Written is how many bytes the daemon has written so far, to whomever, if that can be told. A daemon does not tell how many bytes
	// of a layer have gone, and so without it all layers together get 30 times the Silence.
	Written func() (bytes int64, known bool)
}

// attachables are what the daemon may ask of us during one solve: the recorded trees, credentials, secrets and signatures,
// nothing else.
func (s *solve) attachables(access Access) ([]session.Attachable, error) {
	if err := s.secrets.fill(access.Secrets); err != nil {
		return nil, err
	}
	agents, err := sshAttachables(access.SSH)
	if err != nil {
		return nil, err
	}
	lookup := func(ctx context.Context, host string, _ []string, _ authprovider.ExpireCachedAuthCheck) (types.AuthConfig, error) {
		c, err := access.Credentials(ctx, host)
		s.secrets.redact.learn(c.Password)
		s.secrets.redact.learn(c.IdentityToken)
		return types.AuthConfig{ServerAddress: host, Username: c.Username, Password: c.Password, IdentityToken: c.IdentityToken}, err
	}
	auth := authprovider.NewDockerAuthProvider(authprovider.DockerAuthProviderConfig{AuthConfigProvider: lookup})
	return append(agents, s.files, auth, s.secrets.attachable()), nil
}
