package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// lockPoll is how often a client asks for a lock that another holds: flock(2) itself knows no deadline.
const lockPoll = 10 * time.Millisecond

// openLock opens a lock file, which is never removed: another process would go on with the removed one. The lock that is put on it
// belongs to the open file, not to the process: each call is a party of its own, and a child that inherits the file holds
// the lock too. Another user's file is an error: its owner could hold the lock.
func (p place) openLock(name string) (*os.File, error) {
	f, err := p.OpenLock(name)
	if err != nil {
		return nil, unusable(p.Path(), explainPlanted(p, err))
	}
	return f, nil
}

// tryLock puts the lock how (unix.LOCK_SH, unix.LOCK_EX or unix.LOCK_UN) on f, unless others stand in the way. A lock that f
// already held may then be lost.
func tryLock(f *os.File, how int) (bool, error) {
	for {
		err := unix.Flock(int(f.Fd()), how|unix.LOCK_NB)
		switch {
		case err == nil:
			return true, nil
		case errors.Is(err, unix.EWOULDBLOCK):
			return false, nil
		case !errors.Is(err, unix.EINTR):
			return false, newError(LockUnsupported, f.Name(), "lock %s: %w", f.Name(), err)
		}
	}
}

// waitLock puts the lock how on f as soon as others allow it. The error is the cause of ctx when that ended first.
func waitLock(ctx context.Context, f *os.File, how int) error {
	tick := time.NewTicker(lockPoll)
	defer tick.Stop()
	for {
		if ok, err := tryLock(f, how); ok || err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("waiting for the lock %s: %w", f.Name(), context.Cause(ctx))
		}
	}
}

// takeLock opens the lock file name and waits for the lock; closing the file frees it.
func takeLock(ctx context.Context, p place, name string, how int) (*os.File, error) {
	f, err := p.openLock(name)
	if err != nil {
		return nil, err
	}
	if err := waitLock(ctx, f, how); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
