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

// start returns a lease on a daemon that somebody else has started meanwhile, or on a new one. The caller holds the
// start lock.
func (k keeper) start(ctx context.Context, o Options) (*Lease, error) {
	seat, err := takeLock(ctx, k.place, clientsLock, unix.LOCK_SH)
	if err != nil {
		return nil, err
	}
	alive, err := k.vacant(ctx, seat, o)
	if err == nil {
		err = waitLock(ctx, seat, unix.LOCK_SH) // exclusive if another daemon was ended
	}
	if err == nil && alive != nil {
		err = k.launch(ctx, o, alive)
	}
	if err != nil {
		return nil, errors.Join(err, seat.Close())
	}
	return k.newLease(seat)
}

// vacant waits until nothing is left of an earlier keeper and daemon and returns the lock that says so, held. It
// returns nil when the very daemon answers that this client would start: the client that started it may be gone. One of
// another version or configuration is ended, and one that answers nobody for a third of the limit is killed, unless
// others use it.
func (k keeper) vacant(ctx context.Context, seat *os.File, o Options) (*os.File, error) {
	alive, err := k.openLock(aliveLock)
	if err != nil {
		return nil, err
	}
	tick := time.NewTicker(startPoll)
	defer tick.Stop()
	earlier := earlierDaemon{keeper: k, seat: seat, hung: time.Now().Add(o.Limit / 3), log: o.Log}
	for {
		free, err := tryLock(alive, unix.LOCK_EX)
		if free {
			return alive, nil
		}
		joins := false
		if err == nil {
			joins, err = earlier.handle(ctx)
		}
		if joins {
			return nil, alive.Close()
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

// earlierDaemon is a daemon that somebody else has started.
type earlierDaemon struct {
	keeper keeper
	seat   *os.File
	hung   time.Time // from when on one that does not end by itself is killed; zero: it was
	ending bool
	log    func(line string)
}

// handle does once what has to be done about the daemon. It returns true if the client may join it.
func (e *earlierDaemon) handle(ctx context.Context) (joins bool, err error) {
	heard := noAnswer
	if !e.ending {
		heard, err = e.keeper.ask(ctx)
	}
	switch {
	case err != nil || heard == same:
		return err == nil, err
	case heard == another:
		e.ending = true
		if err := e.keeper.dismiss(ctx, e.seat); err != nil {
			return false, err
		}
		e.log("ended the embedded BuildKit daemon of another version or configuration in " + e.keeper.Path())
	case !e.hung.IsZero() && time.Now().After(e.hung):
		e.hung = time.Time{}
		return false, e.keeper.evict(ctx, e.seat)
	}
	return false, nil
}

// launch starts a keeper, passes it the alive lock and returns when its daemon is ready.
func (k keeper) launch(ctx context.Context, o Options, alive *os.File) error {
	err := k.checkState()
	if err != nil {
		err = unusable(k.Path(), err)
	} else {
		err = unfit(k.place)
	}
	if err != nil {
		return errors.Join(err, alive.Close())
	}
	_ = k.Remove(daemonLog) // what an earlier daemon said is no reason for this one
	ended, err := k.startKeeper(ctx, o, alive)
	if err := errors.Join(err, alive.Close()); err != nil { // from here on the keeper alone holds the lock
		return err
	}
	if err := k.await(ctx, ended); err != nil {
		return err
	}
	for line := range strings.Lines(k.tail(keeperLog)) {
		o.Log(strings.TrimSpace(line))
	}
	o.Log("started the embedded BuildKit daemon in " + k.Path())
	return nil
}

// startKeeper returns a channel that is closed when the keeper has ended. The keeper outlives this process as a rule.
func (k keeper) startKeeper(ctx context.Context, o Options, alive *os.File) (<-chan struct{}, error) {
	log, err := k.Create(keeperLog)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	arguments := append(o.Keeper[1:len(o.Keeper):len(o.Keeper)], k.arguments(keeperName)...)
	cmd := exec.CommandContext(context.WithoutCancel(ctx), o.Keeper[0], arguments...)
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
func (k keeper) await(ctx context.Context, ended <-chan struct{}) error {
	tick := time.NewTicker(startPoll)
	defer tick.Stop()
	for {
		switch heard, err := k.ask(ctx); {
		case err != nil:
			return k.notStarted(err)
		case heard == same:
			return nil
		case heard == another:
			return k.notStarted(newError(ProgramsReplaced, "", "its programs were replaced meanwhile"))
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return k.notStarted(context.Cause(ctx))
		case <-ended:
			return k.notStarted(errors.New("it ended while it started"))
		}
	}
}

func (p place) notStarted(cause error) error {
	err := fmt.Errorf("the embedded BuildKit daemon in %s did not start: %w", p.Path(), cause)
	for _, log := range []string{keeperLog, daemonLog} {
		if text := p.tail(log); text != "" {
			err = fmt.Errorf("%w\n%s ends with:\n%s", err, p.path(log), text)
		}
	}
	return err
}
