package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
)

// answerLimit bounds the question whether the daemon is ready. A daemon answers it from memory, in a millisecond.
const answerLimit = 2 * time.Second

// slowCheck is after how long a client says that it waits for a check of the build cache.
const slowCheck = 2 * time.Second

// acquisition is one call of Acquire.
type acquisition struct {
	options Options // those that withDefaults returned
	trusted trust
	begun   time.Time
	end     time.Time // Limit after begun; later if a keeper checks a report of damage
}

// Acquire returns a lease on the daemon of the folder, and starts the daemon if none answers there. Many goroutines and
// processes may call it at once: they start one daemon.
//
// The wait is bounded by ctx and by o.Limit. It is about a minute longer if a keeper checks the build cache because a
// build met damage. Acquire returns an *UnfitError with everything that the machine lacks, or an *Error about the
// folder or the daemon. If a daemon did not start, the error has the last lines of its logs. If the disk is full,
// Acquire wraps the error in a *FullDiskError.
func Acquire(ctx context.Context, o Options) (*Lease, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	begun := time.Now()
	a := &acquisition{options: serializeNotes(o), begun: begun, end: begun.Add(o.Limit)}
	lease, err := a.acquire(ctx)
	return lease, withDisk(o.Dir, err)
}

// serializeNotes returns the options with a Note and a Warn that run one at a time: a goroutine of Acquire calls Note
// as well.
func serializeNotes(o Options) Options {
	var running sync.Mutex
	serialize := func(f func(string)) func(string) {
		return func(line string) {
			running.Lock()
			defer running.Unlock()
			f(line)
		}
	}
	o.Note, o.Warn = serialize(o.Note), serialize(o.Warn)
	return o
}

// acquire does what Acquire does.
func (a *acquisition) acquire(ctx context.Context) (*Lease, error) {
	base, f, err := a.openFolders(ctx)
	if err != nil {
		return nil, err
	}
	for host, r := range a.options.Registries {
		a.options.Log.DebugContext(ctx, "registry given to the daemon", "folder", f.Path(), "registry", host,
			"authority", r.CAFile != "", "plain http", r.PlainHTTP, "mirrors", r.Mirrors)
	}
	lease, err := a.acquireIn(ctx, f)
	if errors.Is(err, errOtherDaemon) || errors.Is(err, errDamagedDaemon) {
		a.options.Log.DebugContext(ctx, "another folder needed", "folder", f.Path(), "reason", err.Error())
		lease, err = a.acquireBeside(ctx, f, err)
	}
	// The lease has opened the folder for itself.
	return lease, errors.Join(err, f.Close(), base.Close())
}

// openFolders reads the trust, and opens the folder of the options and the folder of the daemon with this trust. Both
// are the same if the trust is empty.
func (a *acquisition) openFolders(ctx context.Context) (base, f daemonFolder, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, a.options.Limit, a.notReady(a.options.Limit))
	defer cancel()
	if a.trusted, err = readTrust(ctx, a.options.Registries); err != nil {
		return base, f, err
	}
	if base, err = openFolder(ctx, a.options.Dir); err != nil {
		return base, f, err
	}
	if f, err = a.trusted.openFolder(ctx, base); err != nil {
		err = errors.Join(err, base.Close())
	}
	return base, f, err
}

// acquireIn returns a lease on the daemon of the folder. The error wraps errOtherDaemon or errDamagedDaemon while other
// clients use such a daemon there.
func (a *acquisition) acquireIn(ctx context.Context, f daemonFolder) (*Lease, error) {
	ctx, stop := a.withLimit(ctx, f)
	defer stop()
	s, err := newSetup(f, a.options)
	if err != nil {
		machine := client{setup: setup{daemonFolder: f, mode: clientMode()}, options: a.options}.checkMachine(ctx)
		return nil, cmp.Or(machine, err)
	}
	c := client{setup: s, options: a.options}
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

// withLimit returns a context that ends at a.end. While a keeper checks the state of f for reported damage, withLimit
// moves a.end to Options.Limit from then, and notes a check that takes long. The caller calls stop before it closes f.
//
// The end stays moved: a client that waited for the check may then need the time for a daemon beside that one.
func (a *acquisition) withLimit(ctx context.Context, f daemonFolder) (limited context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	rescue.Go(cancel, func() {
		defer close(done)
		tick := time.NewTicker(idlePoll)
		defer tick.Stop()
		polls := 0 // that met a check
		for time.Now().Before(a.end) {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
			if !f.isBeingChecked() {
				continue
			}
			a.end = time.Now().Add(a.options.Limit)
			if polls++; polls == int(slowCheck/idlePoll) {
				a.options.Note(fmt.Sprintf("checking the build cache in %s because a build met damage in it: "+
					"this takes a minute at most", f.Path())) // reportLimit
			}
		}
		cancel(a.notReady(a.end.Sub(a.begun).Round(idlePoll)))
	})
	return ctx, func() { cancel(nil); <-done }
}

// notReady returns the *Error of a daemon that was not ready within limit.
func (a *acquisition) notReady(limit time.Duration) error {
	return newError(NotReady, a.options.Dir, "the embedded BuildKit daemon was not ready within %s", limit)
}
