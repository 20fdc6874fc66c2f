package daemon

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// answerLimit bounds one question to the daemon. It answers this one from memory, in a millisecond.
const answerLimit = 2 * time.Second

// Acquire returns a lease on the daemon of the folder, which it starts when none answers there. Many goroutines and
// processes may call it at once: they start one daemon.
//
// The wait is bounded by ctx and by o.Limit. Acquire returns an *UnfitError with everything that the machine lacks, or an
// *Error about the folder or the daemon. The error of a daemon that did not start has the end of its logs. Acquire
// returns a *FullDiskError of these when the disk is full.
func Acquire(ctx context.Context, o Options) (*Lease, error) {
	o, err := o.resolved()
	if err != nil {
		return nil, err
	}
	lease, err := acquireIn(ctx, o)
	return lease, explainDisk(o.Dir, err)
}

// acquireIn is Acquire with the options complete.
func acquireIn(ctx context.Context, o Options) (*Lease, error) {
	if os.Geteuid() != 0 {
		return nil, unfit(place{})
	}
	ctx, stop := context.WithTimeoutCause(ctx, o.Limit,
		newError(NotReady, o.Dir, "the embedded BuildKit daemon was not ready within %s", o.Limit))
	defer stop()
	trusted, err := readTrust(ctx, o.Registries)
	if err != nil {
		return nil, err
	}
	base, err := openPlace(ctx, o.Dir)
	if err != nil {
		return nil, err
	}
	p, err := trusted.place(ctx, base)
	if err != nil {
		return nil, errors.Join(err, base.Close())
	}
	lease, err := p.acquire(ctx, o)
	if errors.Is(err, errAnother) {
		lease, err = p.acquireBeside(ctx, o, trusted)
	}
	// A lease has a handle of its own.
	return lease, errors.Join(err, p.Close(), base.Close())
}

// acquire returns a lease on the daemon of the place. The error wraps errAnother while others use one of another
// version or configuration.
func (p place) acquire(ctx context.Context, o Options) (*Lease, error) {
	k, err := newKeeper(p, o.Idle)
	if err != nil {
		return nil, cmp.Or(unfit(p), err)
	}
	if lease, err := k.join(ctx); lease != nil || err != nil {
		return lease, err
	}
	starting, err := takeLock(ctx, p, startLock, unix.LOCK_EX)
	if err != nil {
		return nil, err
	}
	lease, err := k.start(ctx, o)
	return lease, errors.Join(err, starting.Close())
}

// acquireBeside returns a lease on a daemon in a folder below the place, which has a cache of its own: two versions of
// the plugin, or two configurations, may build at the same time.
func (p place) acquireBeside(ctx context.Context, o Options, trusted trust) (*Lease, error) {
	k, err := newKeeper(p, o.Idle)
	if err != nil {
		return nil, err
	}
	text, err := k.configuration()
	if err != nil {
		return nil, err
	}
	beside, err := p.child(ctx, fmt.Sprintf("beside-%x", sha256.Sum256([]byte(text)))[:len("beside-")+8])
	if err != nil {
		return nil, err
	}
	defer func() { _ = beside.Close() }()
	if ok, err := trusted.settle(beside); !ok || err != nil {
		return nil, cmp.Or(err, fmt.Errorf("the embedded BuildKit daemon in %s: %w", beside.Path(), errAnother))
	}
	o.Log(fmt.Sprintf("another version of the plugin, or another configuration, uses the embedded BuildKit daemon in %s "+
		"now: this build has one with a cache of its own", p.Path()))
	return beside.acquire(ctx, o)
}

// join returns a lease on the daemon when the one answers right now that this client would start, else nil.
func (k keeper) join(ctx context.Context) (*Lease, error) {
	if !k.hasSocket() {
		return nil, nil
	}
	// First the seat, then the question: a keeper that ends the daemon at its idle time has this lock to itself.
	seat, err := takeLock(ctx, k.place, clientsLock, unix.LOCK_SH)
	if err != nil {
		return nil, err
	}
	heard, err := k.ask(ctx)
	if err != nil || heard != same {
		return nil, errors.Join(err, seat.Close())
	}
	return k.newLease(seat)
}
