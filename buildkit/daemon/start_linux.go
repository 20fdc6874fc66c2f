package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
)

// startPoll is how often a client asks whether the daemon that it started is ready, which takes about 0.2 s.
const startPoll = 20 * time.Millisecond

// start returns a lease on a daemon that somebody else has started meanwhile, or on a new one. The caller holds the start lock.
func (p place) start(ctx context.Context, o Options) (*Lease, error) {
	seat, err := takeLock(ctx, p.path(clientsLock), unix.LOCK_SH)
	if err != nil {
		return nil, err
	}
	alive, err := p.vacant(ctx, seat, o.Limit/3)
	if err == nil && alive != nil {
		err = p.launch(ctx, o, alive)
	}
	if err != nil {
		return nil, errors.Join(err, seat.Close())
	}
	return p.newLease(seat), nil
}

// vacant waits until nothing is left of an earlier keeper and daemon and returns the lock that says so, held. It returns nil
// when the daemon answers instead: the client that started it may be gone. A daemon that does neither for as long as patience
// is replaced.
func (p place) vacant(ctx context.Context, seat *os.File, patience time.Duration) (*os.File, error) {
	alive, err := openLock(p.path(aliveLock))
	if err != nil {
		return nil, err
	}
	tick := time.NewTicker(startPoll)
	defer tick.Stop()
	for hung := time.Now().Add(patience); ; {
		free, err := tryLock(alive, unix.LOCK_EX)
		if free {
			return alive, nil
		}
		if err == nil && p.answers(ctx) {
			return nil, alive.Close()
		}
		if err == nil && !hung.IsZero() && time.Now().After(hung) {
			hung, err = time.Time{}, p.evict(ctx, seat)
		}
		if err == nil && ctx.Err() != nil {
			err = fmt.Errorf("waiting for an earlier daemon to end: %w", context.Cause(ctx))
		}
		if err != nil {
			return nil, errors.Join(err, alive.Close())
		}
		<-tick.C
	}
}

// launch starts a keeper, passes it the alive lock and returns when its daemon is ready.
func (p place) launch(ctx context.Context, o Options, alive *os.File) error {
	if err := unfit(string(p)); err != nil {
		return errors.Join(err, alive.Close())
	}
	_ = os.Remove(p.path(daemonLog)) // what an earlier daemon said is no reason for this one
	ended, err := p.startKeeper(ctx, o, alive)
	if err := errors.Join(err, alive.Close()); err != nil { // from here on the keeper alone holds the lock
		return err
	}
	if err := p.await(ctx, ended); err != nil {
		return err
	}
	for line := range strings.Lines(tail(p.path(keeperLog))) {
		o.Log(strings.TrimSpace(line))
	}
	o.Log("started the embedded BuildKit daemon in " + string(p))
	return nil
}

// startKeeper returns a channel that is closed when the keeper has ended. The keeper outlives this process as a rule.
func (p place) startKeeper(ctx context.Context, o Options, alive *os.File) (<-chan struct{}, error) {
	log, err := os.OpenFile(p.path(keeperLog), os.O_CREATE|os.O_TRUNC|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	arguments, err := keeperArguments(p, o.Idle)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(context.WithoutCancel(ctx), o.Keeper[0], append(o.Keeper[1:len(o.Keeper):len(o.Keeper)], arguments...)...)
	cmd.Dir, cmd.Env = "/", inheritedEnviron(os.Environ())
	// Not the pipes of a plugin: the engine would wait for their end.
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = log, log, []*os.File{alive}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Cloneflags: syscall.CLONE_NEWNS}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("the keeper of the embedded BuildKit daemon: %w", err)
	}
	ended := make(chan struct{})
	// It ends with the keeper or with this process: a keeper that nobody waits for would stay a zombie.
	rescue.Go(func(error) {}, func() {
		defer close(ended)
		_ = cmd.Wait()
	})
	return ended, nil
}

// await returns when the daemon answers. The error has the end of both logs.
func (p place) await(ctx context.Context, ended <-chan struct{}) error {
	tick := time.NewTicker(startPoll)
	defer tick.Stop()
	for !p.answers(ctx) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return p.notStarted(context.Cause(ctx))
		case <-ended:
			return p.notStarted(errors.New("it ended while it started"))
		}
	}
	return nil
}

func (p place) notStarted(cause error) error {
	err := fmt.Errorf("the embedded BuildKit daemon in %s did not start: %w", p, cause)
	for _, log := range []string{keeperLog, daemonLog} {
		if text := tail(p.path(log)); text != "" {
			err = fmt.Errorf("%w\n%s ends with:\n%s", err, p.path(log), text)
		}
	}
	return err
}
