package buildkit

import (
	"context"
	"time"

	gateway "github.com/moby/buildkit/frontend/gateway/client"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/mounts"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/mounts/folder"
)

// HeldMountError is a cache mount with sharing=locked that a step of another build holds.
type HeldMountError struct{}

// Error says who holds the mount.
func (*HeldMountError) Error() string { return "another build holds the mount" }

// heldLimit is how long a step waits for a mount that a step of another build holds, and looks into it. It is half of
// CacheMounts.Limit if that is less.
const heldLimit = 30 * time.Second

// look looks into a mount. It returns a *HeldMountError if another build holds it too long. What the step needs is on
// the daemon before, so that its time does not count.
func (m *mountSolver) look(ctx context.Context, c gateway.Client, mount mounts.Mount) (folder.Report, error) {
	step, bounded := mounts.Step{Mount: mount, Action: folder.CheckAction}, ctx
	if mount.IsLocked {
		if err := m.load(ctx, c, step); err != nil {
			return folder.Report{}, err
		}
		var stop context.CancelFunc
		bounded, stop = context.WithTimeoutCause(ctx, min(heldLimit, m.Limit/2), &HeldMountError{})
		defer stop()
	}
	_, seen, err := m.step(bounded, c, step)
	if err != nil && bounded.Err() != nil && ctx.Err() == nil {
		return folder.Report{}, &HeldMountError{}
	}
	return seen, err
}

// load loads on the daemon what a step needs: its program, and what the mount starts with.
func (m *mountSolver) load(ctx context.Context, c gateway.Client, step mounts.Step) error {
	step.Session, step.Platform = c.BuildOpts().SessionID, m.platform
	needed, err := step.MarshalInputs(ctx)
	if err != nil {
		return err
	}
	for _, definition := range needed {
		if _, err := c.Solve(ctx, gateway.SolveRequest{Definition: definition.ToPB(), Evaluate: true}); err != nil {
			return err
		}
	}
	return nil
}

// wasHeld reports whether a build could not look into a mount, because another build held it. It is not known then
// whether the mount holds what is stored.
func (c *CacheMounts) wasHeld(m mounts.Mount) bool {
	if c == nil {
		return false
	}
	_, isHeld := c.held.Load(m.Key)
	return isHeld || c.Before.wasHeld(m)
}
