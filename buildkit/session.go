package buildkit

import (
	"context"
	"time"

	"github.com/moby/buildkit/session"
)

// Access is what one solve may use beside the plan and the recorded trees, and nothing else. It has no say in what is built.
type Access struct {
	Credentials  Credentials
	Tokens       Tokens            // nil: the daemon gets the credential, and logs in at token servers itself
	Secrets      map[string]Secret // by id
	SSH          []SSHAgent
	CacheFrom    []Cache
	CacheTo      []Cache
	Exports      []Export
	Guard        *Guard        // nil: the builder is somebody else's, who decides what it may run and reach
	StallTimeout time.Duration // of a registry, before the solve fails; 0: 2 minutes
	// BytesWritten is how many bytes the daemon has written so far, to whomever, if that can be told. A daemon does not tell how many bytes
	// of a layer have gone, and so without it all layers together get 30 times the StallTimeout.
	BytesWritten func() (bytes int64, known bool)
	// BytesRead is how many bytes the daemon and its git processes have read so far, if that can be told. Without it a git server or a
	// server of files gets 30 times the StallTimeout. Layers that are pulled are counted by the daemon itself.
	BytesRead func() (bytes int64, known bool)
}

// attachables are what the daemon may ask of us during one solve: the recorded trees, credentials, secrets and signatures,
// nothing else.
func (s *solve) attachables(ctx context.Context, access Access) ([]session.Attachable, error) {
	if err := s.secrets.fill(ctx, access.Secrets); err != nil {
		return nil, err
	}
	agents, err := sshAttachables(s.plan.Files.ProjectBounds(), access.SSH)
	if err != nil {
		return nil, err
	}
	auth := &registryAuth{credentials: access.Credentials, tokens: access.Tokens, redact: s.secrets.redact}
	return append(agents, s.files, auth, s.secrets.attachable()), nil
}
