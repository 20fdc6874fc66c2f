package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// lockPoll is how often a process tries to take a lock that another one holds: flock(2) itself has no deadline.
const lockPoll = 10 * time.Millisecond

// openLock opens a lock file. It returns an *Error if another user's file is there: its owner could hold the lock.
//
// The file is never removed: a process that has the removed file open and one that makes a new file would both get the
// lock. The lock belongs to the open file, not to the process. So each call can hold or wait for the lock on its own,
// even within one process, and a child that inherits the file holds the lock too.
func openLock(f daemonFolder, name string) (*os.File, error) {
	lock, err := f.OpenLock(name)
	if err != nil {
		return nil, folderError(f.Path(), explainPlanted(f, err))
	}
	return lock, nil
}

// tryLock locks or unlocks a file with flock(2); how is unix.LOCK_SH, unix.LOCK_EX or unix.LOCK_UN. It returns false if
// another holder prevents that. A lock that was held before may then be lost, because flock(2) does not convert
// atomically. It returns an *Error on a file system without locks.
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

// lockWhenFree does what tryLock does, as soon as no other holder prevents it. It returns the cause of ctx if ctx ends
// first.
func lockWhenFree(ctx context.Context, lock *os.File, how int) error {
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

// openAndLock opens the lock file with this name and waits for the lock. Closing the file releases the lock.
func openAndLock(ctx context.Context, f daemonFolder, name string, how int) (*os.File, error) {
	lock, err := openLock(f, name)
	if err != nil {
		return nil, err
	}
	if err := lockWhenFree(ctx, lock, how); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return lock, nil
}

// isAwaited reports whether a client waits until the daemon is ready: that client holds the start lock.
func (f daemonFolder) isAwaited() bool {
	startLock, err := openLock(f, startLockFile)
	if err != nil {
		return false
	}
	defer func() { _ = startLock.Close() }()
	free, err := tryLock(startLock, unix.LOCK_SH)
	return err == nil && !free
}
