package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const (
	startPoll = 20 * time.Millisecond // how often a client looks whether an earlier daemon has ended
	readyPoll = 5 * time.Millisecond  // how often it looks whether its own has started, which takes about 0.2 s
)

// client is this process, which wants a lease on the daemon of a folder.
type client struct {
	setup
	options Options
}

// join returns a lease if a daemon answers now that has the version and configuration that this client wants. Otherwise
// it returns nil.
func (c client) join(ctx context.Context) (*Lease, error) {
	if !hasSocket(c.daemonFolder) {
		c.log(ctx, "daemon not joined", "reason", "nothing listens")
		return nil, nil
	}
	// Take the shared lock before asking: a keeper ends an idle daemon only under the exclusive lock, so a daemon that
	// answers stays.
	clientsLock, err := openAndLock(ctx, c.daemonFolder, clientsLockFile, unix.LOCK_SH)
	if err != nil {
		return nil, err
	}
	answer, err := compareDaemon(ctx, c.setup)
	if err != nil || answer != wantedDaemon {
		c.log(ctx, "daemon not joined", "reason", answer.String())
		return nil, errors.Join(err, clientsLock.Close())
	}
	c.logWithPIDs(ctx, "daemon joined")
	return newLease(c, clientsLock)
}

// log writes a record about the daemon of the folder.
func (c client) log(ctx context.Context, message string, pairs ...any) {
	c.options.Log.With("folder", c.Path()).DebugContext(ctx, message, pairs...)
}

// logWithPIDs writes a record with the processes of the daemon.
func (c client) logWithPIDs(ctx context.Context, message string, pairs ...any) {
	keeper, daemon, _ := c.pids() // 0 where nobody knows
	c.log(ctx, message, append([]any{"keeper", keeper, "daemon", daemon}, pairs...)...)
}

// joinOrStart returns a lease on the daemon. It starts the daemon unless another client did while this one waited for
// the start lock, which the caller holds.
func (c client) joinOrStart(ctx context.Context) (*Lease, error) {
	clientsLock, err := openAndLock(ctx, c.daemonFolder, clientsLockFile, unix.LOCK_SH)
	if err != nil {
		return nil, err
	}
	aliveLock, err := c.replaceEarlier(ctx, clientsLock)
	if err == nil {
		err = lockWhenFree(ctx, clientsLock, unix.LOCK_SH) // replaceEarlier made it exclusive if it stopped a daemon
	}
	if err == nil && aliveLock != nil {
		err = c.startDaemon(ctx, aliveLock)
	}
	if err != nil {
		return nil, errors.Join(err, clientsLock.Close())
	}
	return newLease(c, clientsLock)
}

// replaceEarlier waits until nothing is left of an earlier keeper and daemon. It returns the alive lock, which it holds
// then.
//
// It returns nil if the daemon that this client wants answers meanwhile: then nothing is to be started. It stops a
// daemon of another version or configuration. It kills a daemon that has not answered for a third of Options.Limit. It
// does neither while other clients hold leases.
func (c client) replaceEarlier(ctx context.Context, clientsLock *os.File) (*os.File, error) {
	aliveLock, err := openLock(c.daemonFolder, aliveLockFile)
	if err != nil {
		return nil, err
	}
	tick := time.NewTicker(startPoll)
	defer tick.Stop()
	earlier := earlierDaemon{client: c, clientsLock: clientsLock, killAt: time.Now().Add(c.options.Limit / 3)}
	for {
		free, err := tryLock(aliveLock, unix.LOCK_EX)
		if free {
			return aliveLock, nil
		}
		canJoin := false
		if err == nil {
			canJoin, err = earlier.joinOrStop(ctx)
		}
		if canJoin {
			c.logWithPIDs(ctx, "daemon joined", "reason", "another client started it meanwhile")
			return nil, aliveLock.Close()
		}
		if err == nil && ctx.Err() != nil {
			err = fmt.Errorf("waiting for an earlier daemon to stop: %w", context.Cause(ctx))
		}
		if err != nil {
			return nil, errors.Join(err, aliveLock.Close())
		}
		<-tick.C
	}
}
