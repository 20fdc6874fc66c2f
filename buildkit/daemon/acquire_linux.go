package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/moby/buildkit/client"
	"golang.org/x/sys/unix"
)

// answerLimit bounds one question to the daemon. It answers this one from memory, in a millisecond.
const answerLimit = 2 * time.Second

// Acquire returns a lease on the daemon of the folder, which it starts when none answers there. Many goroutines and processes
// may call it at once: they start one daemon.
//
// The wait is bounded by ctx and by o.Limit. Errors: everything that the machine lacks, each with its remedy; why the daemon
// did not start, with the end of its log; or that it hangs while other builds use it.
func Acquire(ctx context.Context, o Options) (*Lease, error) {
	o, err := o.resolved()
	if err != nil {
		return nil, err
	}
	if os.Geteuid() != 0 {
		return nil, unfit(o.Dir)
	}
	trusted, err := readTrust(o.Registries)
	if err != nil {
		return nil, err
	}
	p, err := makePlace(trusted.folder(o.Dir))
	if err == nil {
		err = trusted.write(string(p))
	}
	if err != nil {
		return nil, fmt.Errorf("the folder of the embedded BuildKit daemon: %w", err)
	}
	ctx, stop := context.WithTimeoutCause(ctx, o.Limit,
		fmt.Errorf("the embedded BuildKit daemon was not ready within %s: read %s and %s", o.Limit, p.path(daemonLog), p.path(keeperLog)))
	defer stop()
	if lease, err := p.join(ctx); lease != nil || err != nil {
		return lease, err
	}
	starting, err := takeLock(ctx, p.path(startLock), unix.LOCK_EX)
	if err != nil {
		return nil, err
	}
	lease, err := p.start(ctx, o)
	return lease, errors.Join(err, starting.Close())
}

// join is a lease on the daemon when it answers right now, else nil.
func (p place) join(ctx context.Context) (*Lease, error) {
	if !p.hasSocket() {
		return nil, nil
	}
	// First the seat, then the question: a keeper that ends the daemon at its idle time has this lock to itself.
	seat, err := takeLock(ctx, p.path(clientsLock), unix.LOCK_SH)
	if err != nil {
		return nil, err
	}
	if !p.answers(ctx) {
		return nil, seat.Close()
	}
	return p.newLease(seat), nil
}

func (p place) hasSocket() bool {
	_, err := os.Lstat(p.path(socketFile))
	return err == nil
}

func (p place) answers(ctx context.Context) bool {
	if !p.hasSocket() {
		return false
	}
	ctx, stop := context.WithTimeoutCause(ctx, answerLimit, errors.New("no answer"))
	defer stop()
	c, err := client.New(ctx, p.endpoint())
	if err != nil {
		return false
	}
	defer func() { _ = c.Close() }()
	_, err = c.Info(ctx)
	return err == nil
}
