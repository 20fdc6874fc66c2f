package daemon

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// answerLimit bounds the question whether the daemon is ready. A daemon answers it from memory, in a millisecond.
const answerLimit = 2 * time.Second

// Acquire returns a lease on the daemon of the folder, and starts the daemon if none answers there. Many goroutines and
// processes may call it at once: they start one daemon.
//
// The wait is bounded by ctx and by o.Limit. Acquire returns an *UnfitError with everything that the machine lacks, or
// an *Error about the folder or the daemon. If a daemon did not start, the error has the last lines of its logs. If the
// disk is full, Acquire wraps the error in a *FullDiskError.
func Acquire(ctx context.Context, o Options) (*Lease, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	lease, err := acquireFrom(ctx, o)
	return lease, withDisk(o.Dir, err)
}

// acquireFrom does what Acquire does, for options that withDefaults returned.
func acquireFrom(ctx context.Context, o Options) (*Lease, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, o.Limit,
		newError(NotReady, o.Dir, "the embedded BuildKit daemon was not ready within %s", o.Limit))
	defer cancel()
	trusted, err := readTrust(ctx, o.Registries)
	if err != nil {
		return nil, err
	}
	base, err := openFolder(ctx, o.Dir)
	if err != nil {
		return nil, err
	}
	f, err := trusted.openFolder(ctx, base)
	if err != nil {
		return nil, errors.Join(err, base.Close())
	}
	for host, r := range o.Registries {
		o.Log.DebugContext(ctx, "registry given to the daemon", "folder", f.Path(), "registry", host,
			"authority", r.CAFile != "", "plain http", r.PlainHTTP, "mirrors", r.Mirrors)
	}
	lease, err := acquireIn(ctx, f, o)
	if errors.Is(err, errOtherDaemon) || errors.Is(err, errDamagedDaemon) {
		o.Log.DebugContext(ctx, "another folder needed", "folder", f.Path(), "reason", err.Error())
		lease, err = acquireBeside(ctx, f, o, trusted, err)
	}
	// The lease has opened the folder for itself.
	return lease, errors.Join(err, f.Close(), base.Close())
}

// acquireIn returns a lease on the daemon of the folder. The error wraps errOtherDaemon or errDamagedDaemon while other
// clients use such a daemon there.
func acquireIn(ctx context.Context, f daemonFolder, o Options) (*Lease, error) {
	s, err := newSetup(f, o)
	if err != nil {
		return nil, cmp.Or(client{setup: setup{daemonFolder: f, mode: clientMode()}, options: o}.checkMachine(ctx), err)
	}
	c := client{setup: s, options: o}
	if lease, err := c.join(ctx); lease != nil || err != nil {
		return lease, err
	}
	startLock, err := openAndLock(ctx, f, startLockFile, unix.LOCK_EX)
	if err != nil {
		return nil, err
	}
	lease, err := c.joinOrStart(ctx)
	return lease, errors.Join(err, startLock.Close())
}

// acquireBeside returns a lease on a daemon in a folder below f. That daemon has its own cache. So two versions of the
// plugin, or two configurations, can build at the same time. inUse says why the daemon in f is not joined.
func acquireBeside(ctx context.Context, f daemonFolder, o Options, trusted trust, inUse error) (*Lease, error) {
	s, err := newSetup(f, o)
	if err != nil {
		return nil, err
	}
	text, err := s.configuration()
	if err != nil {
		return nil, err
	}
	beside, err := f.child(ctx, fmt.Sprintf("beside-%x", sha256.Sum256([]byte(withoutSizes(text))))[:len("beside-")+8])
	if err != nil {
		return nil, err
	}
	defer func() { _ = beside.Close() }()
	if ok, err := trusted.writeTo(beside); !ok || err != nil {
		return nil, cmp.Or(err, fmt.Errorf("the embedded BuildKit daemon in %s: %w", beside.Path(), inUse))
	}
	reason := fmt.Sprintf("another version of the plugin, or another configuration, uses the embedded BuildKit daemon "+
		"in %s now", f.Path())
	if errors.Is(inUse, errDamagedDaemon) {
		reason = fmt.Sprintf("the embedded BuildKit daemon in %s has a damaged build cache, and other builds use it",
			f.Path())
	}
	o.Note(fmt.Sprintf("%s: this build has one with a cache of its own in %s, which stays on the disk",
		reason, beside.Path()))
	return acquireIn(ctx, beside, o)
}
