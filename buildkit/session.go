package buildkit

import (
	"context"
	"log/slog"
	"time"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/session"
	sessioncontent "github.com/moby/buildkit/session/content"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
)

// Access is everything that one solve may use besides the plan and the recorded trees. It does not change what is
// built.
type Access struct {
	Credentials  Credentials
	Tokens       Tokens            // nil: the daemon gets the credential, and logs in to token servers itself
	Secrets      map[string]Secret // by id
	SSH          []SSHAgent
	CacheFrom    []Cache
	CacheTo      []Cache
	CacheMounts  *CacheMounts // nil: none travel
	Exports      []Export
	Proxies      map[string]string // of steps, by variable, such as HTTP_PROXY; a build argument of the plan wins
	Guard        *Guard            // nil: the builder belongs to somebody else, who decides what it may run and reach
	Log          *slog.Logger      // gets records of level debug, without secrets; nil: they are discarded
	StallTimeout time.Duration     // how long a registry may make no progress before the solve fails; 0: 2 minutes
	Silence      time.Duration     // how long the daemon may give no sign of life before the solve fails; 0: 45 s

	// UnpushedBases are base images that earlier solves on this daemon built and no registry has, by their canonical
	// references: "docker.io/library/app:1" or "docker.io/library/app@sha256:…". The build takes them from the
	// daemon.
	UnpushedBases map[string]*UnpushedImage
	// KeepUnpushed makes the solve return Built.Unpushed.
	KeepUnpushed bool

	// MountBases has registries mount the layers of base images, so that the daemon need not send them. nil: the daemon
	// sends them. Solve calls it before the steps run, if a base image lies in a registry to which the plan pushes.
	MountBases func(ctx context.Context, bases []BaseImage)

	// BeginPush is called with what the daemon is about to push, configurations and layers, and the push waits until it
	// returns. It is called once for each solve that pushes. nil: the push waits for nobody. It needs a daemon that
	// reaches the loopback of this process.
	BeginPush func(ctx context.Context, blobs []Blob)

	// BytesWritten returns how many bytes the daemon has written so far, to any peer. ok is false if that is not known.
	// A daemon does not say how many bytes of a layer it has pushed. Without BytesWritten all layers together get 30
	// times the StallTimeout.
	BytesWritten func() (bytes int64, ok bool)

	// BytesRead returns how many bytes the daemon and its git processes have read so far. ok is false if that is not
	// known. Without it a git server or a file server gets 30 times the StallTimeout. The daemon itself counts the
	// bytes of layers that it pulls.
	BytesRead func() (bytes int64, ok bool)
}

// attachables returns what the daemon may ask this process for during one solve: the recorded trees, credentials,
// secrets and signatures. It returns an error for a secret or an SSH agent that cannot be used.
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

// sessionGrace is how long a solve may go on after its session has ended. Most often the end of the connection ends
// both, and the error of the solve says more.
const sessionGrace = 2 * time.Second

// runSession solves with a session that this package serves.
//
// The session of BuildKit's client would itself write exports, and read and write caches in folders. It makes device
// files, and opens whatever is in a cache.
//
// A daemon waits for a session without end. If the connection ends before the solve has begun, gRPC sends the solve on
// a new connection, and the session is lost. So a solve does not outlive its session.
//
// A daemon also closes a session whose health checks fail, such as that of a process that is paused. So the daemon is
// asked before the error says that it is lost.
func (s *solve) runSession(
	ctx context.Context, c *client.Client, opt client.SolveOpt, watch *daemonWatch, status chan *client.SolveStatus,
) (*client.SolveResponse, error) {
	own, err := session.NewSession(ctx, opt.SharedKey)
	if err != nil {
		close(status)
		return nil, err
	}
	// A shared session gets no policy from the client.
	for _, a := range append(opt.Session, s.received, opt.SourcePolicyProvider) {
		own.Allow(a)
	}
	s.bases.session = own.ID()
	if len(s.stores)+len(s.bases.images) > 0 {
		stores := map[string]content.Store{"oci:" + unpushedStore: s.bases}
		for name, store := range s.stores {
			stores[name] = store
		}
		own.Allow(sessioncontent.NewAttachable(stores))
	}
	opt.Session, opt.SharedSession, opt.SessionPreInitialized = nil, own, true
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	ended := make(chan struct{})
	rescue.Go(fail, func() {
		defer close(ended)
		err := own.Run(context.WithoutCancel(ctx), watch.dialer())
		if err == nil && pause(ctx, sessionGrace) {
			err = &LostDaemonError{SessionEnded: watch.ask(ctx, time.Duration(float64(watch.silence)*askAfter))}
		}
		fail(err)
	})
	response, err := c.Build(ctx, opt, "pulumi-buildkit", s.runFrontend, status)
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	fail(nil)
	_ = own.Close() // the solve has its result
	<-ended
	return response, err
}
