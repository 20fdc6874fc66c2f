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

// openLock opens a lock file. It returns an *Error if another user's file is there: its owner could hold the lock.
//
// The file is never removed: another process would go on with the removed one. The lock that is put on it belongs to
// the open file, not to the process. So each call opens a party of its own, and a child that inherits the file holds
// the lock too.
func openLock(f daemonFolder, name string) (*os.File, error) {
	lock, err := f.OpenLock(name)
	if err != nil {
		return nil, folderError(f.Path(), explainPlanted(f, err))
	}
	return lock, nil
}

// tryLock puts the lock how (unix.LOCK_SH, unix.LOCK_EX or unix.LOCK_UN) on a file, and returns false when others stand
// in the way. A lock that the file already held may then be lost. It returns an *Error on a file system without locks.
func tryLock(lock *os.File, how int) (bool, error) {
	for {
		err := unix.Flock(int(lock.Fd()), how|unix.LOCK_NB)
		switch {
		case err == nil:
			return true, nil
		case errors.Is(err, unix.EWOULDBLOCK):
			return false, nil
		case !errors.Is(err, unix.EINTR):
			return false, newError(LockUnsupported, lock.Name(), "lock %s: %w", lock.Name(), err)
		}
	}
}

// waitLock puts the lock how on a file as soon as others allow it. The error is the cause of ctx when that ended first.
func waitLock(ctx context.Context, lock *os.File, how int) error {
	tick := time.NewTicker(lockPoll)
	defer tick.Stop()
	for {
		if ok, err := tryLock(lock, how); ok || err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("waiting for the lock %s: %w", lock.Name(), context.Cause(ctx))
		}
	}
}

// takeLock opens the lock file name and waits for the lock. To close the file frees the lock.
func takeLock(ctx context.Context, f daemonFolder, name string, how int) (*os.File, error) {
	lock, err := openLock(f, name)
	if err != nil {
		return nil, err
	}
	if err := waitLock(ctx, lock, how); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return lock, nil
}
