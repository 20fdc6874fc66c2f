package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// aloneLimit is how long a client that wants to replace a daemon waits until no other client holds the clients lock.
// Clients that only ask whether the daemon answers hold it no longer than answerLimit.
const aloneLimit = answerLimit + time.Second

var (
	// errOtherDaemon says that builds use a daemon of another version or configuration.
	errOtherDaemon = newError(InUse, "", "it is of another version or configuration, and other builds use it")

	// errDamagedDaemon says that builds use a daemon whose build cache is damaged.
	errDamagedDaemon = newError(InUse, "", "its build cache is damaged, and other builds use it")
)

// earlierDaemon is a daemon that another client has started.
type earlierDaemon struct {
	client      client
	clientsLock *os.File
	killAt      time.Time // when to kill the daemon if it still runs; zero after the kill
	stopSent    bool      // stopDaemon has asked the keeper to stop the daemon
}

// joinOrStop asks the daemon once, and stops or kills it if need be. It returns true if the client can join the daemon.
func (e *earlierDaemon) joinOrStop(ctx context.Context) (canJoin bool, err error) {
	answer, f := noAnswer, e.client.daemonFolder
	if !e.stopSent {
		answer, err = compareDaemon(ctx, e.client.setup)
	}
	switch {
	case err != nil || answer == wantedDaemon:
		return err == nil, err
	case answer == otherDaemon || answer == damagedDaemon:
		e.stopSent = true
		inUse := errOtherDaemon
		if answer == damagedDaemon {
			inUse = errDamagedDaemon
		}
		if err := stopDaemon(ctx, f, e.clientsLock, inUse); err != nil {
			return false, err
		}
		e.client.logWithPIDs(ctx, "daemon stopped", "reason", answer.String())
		if answer == damagedDaemon {
			e.client.options.Note("stopped the embedded BuildKit daemon with a damaged build cache in " + f.Path())
			return false, nil
		}
		e.client.options.Note("stopped the embedded BuildKit daemon of another version or configuration in " + f.Path())
	case e.killAt.IsZero(): // the kill was sent
	case f.isBeingChecked(): // the daemon starts only after the check
		e.killAt = time.Now().Add(e.client.options.Limit / 3)
	case time.Now().After(e.killAt):
		e.killAt = time.Time{}
		e.client.logWithPIDs(ctx, "daemon hangs", "waited", e.client.options.Limit/3)
		return false, killDaemon(ctx, f, e.clientsLock)
	}
	return false, nil
}

// stopDaemon asks the keeper to stop its daemon. The error wraps inUse while other clients hold leases.
//
// The caller holds clientsLock shared. Afterwards it is exclusive: nobody may join a daemon that stops.
func stopDaemon(ctx context.Context, f daemonFolder, clientsLock *os.File, inUse error) error {
	keeper, daemon, err := f.pids()
	if err != nil {
		return err
	}
	alone, cancel := context.WithTimeoutCause(ctx, aloneLimit, inUse)
	defer cancel()
	if err := lockWhenFree(alone, clientsLock, unix.LOCK_EX); err != nil {
		return fmt.Errorf("the embedded BuildKit daemon in %s (process %d): %w", f.Path(), daemon, err)
	}
	return signalKeeper(f, keeper, unix.SIGTERM)
}

// killDaemon kills a keeper, and with it the daemon, because the daemon does not answer. It returns an *Error while
// other clients hold leases on the daemon.
//
// The caller holds clientsLock shared. Afterwards it is exclusive.
func killDaemon(ctx context.Context, f daemonFolder, clientsLock *os.File) error {
	keeper, daemon, err := f.pids()
	if err != nil {
		return err
	}
	alone, cancel := context.WithTimeoutCause(ctx, aloneLimit, errors.New("other builds use it"))
	defer cancel()
	if err := lockWhenFree(alone, clientsLock, unix.LOCK_EX); err != nil {
		hung := newError(Hung, f.Path(),
			"the embedded BuildKit daemon in %s (process %d) does not answer, and other builds use it",
			f.Path(), daemon)
		hung.Process = keeper
		return hung
	}
	return signalKeeper(f, keeper, unix.SIGKILL)
}

// signalKeeper sends a signal to the process pid if that is the keeper. It returns nil otherwise: when a keeper is
// gone, another program may get its process ID.
func signalKeeper(f daemonFolder, pid int, signal os.Signal) error {
	process, err := os.FindProcess(pid) // it holds a pidfd, which stays with the process, not with the number
	if err != nil || pid == 0 {
		return nil
	}
	defer func() { _ = process.Release() }()
	arguments, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
	if err != nil || !bytes.Contains(arguments, []byte("\x00"+keeperName+"\x00"+f.Path()+"\x00")) {
		return nil
	}
	if lock, err := f.Lstat(aliveLockFile); err != nil || !hasOpen(pid, lock) {
		return nil // another program with the same arguments
	}
	if err := process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("the keeper of the embedded BuildKit daemon in %s: stop process %d: %w", f.Path(), pid, err)
	}
	return nil
}
