package buildkit

import (
	"context"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/session"
	sessioncontent "github.com/moby/buildkit/session/content"
	"github.com/moby/buildkit/session/grpchijack"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
)

// runSession solves with a session of our own. BuildKit's client would answer the daemon by itself when it writes exports
// and reads or writes caches in folders: it makes device files, and opens whatever is in a cache.
func (s *solve) runSession(
	ctx context.Context, c *client.Client, opt client.SolveOpt, status chan *client.SolveStatus,
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
	if len(s.stores) > 0 {
		stores := map[string]content.Store{}
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
		if err := own.Run(context.WithoutCancel(ctx), grpchijack.Dialer(c.ControlClient())); err != nil {
			fail(err)
		}
	})
	response, err := c.Build(ctx, opt, "pulumi-buildkit", s.runFrontend, status)
	_ = own.Close() // a session that is over
	<-ended
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return response, err
}
