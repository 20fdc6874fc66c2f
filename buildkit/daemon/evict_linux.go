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

// aloneLimit is how long a client that wants to replace a hung daemon waits for others: those that only ask whether the
// daemon answers hold their lock no longer than answerLimit.
const aloneLimit = answerLimit + time.Second

// errAnother says that builds use a daemon of another version or configuration.
var errAnother = newError(InUse, "", "it is of another version or configuration, and other builds use it")

// dismiss asks the keeper of a daemon of another version or configuration to end it. The error wraps errAnother while
// other clients hold leases. seat is the caller's shared lock, and exclusive afterwards: nobody may join a daemon that
// ends.
func (p place) dismiss(ctx context.Context, seat *os.File) error {
	keeper, daemon, err := p.pids()
	if err != nil {
		return err
	}
	alone, stop := context.WithTimeoutCause(ctx, aloneLimit, errAnother)
	defer stop()
	if err := waitLock(alone, seat, unix.LOCK_EX); err != nil {
		return fmt.Errorf("the embedded BuildKit daemon in %s (process %d): %w", p.Path(), daemon, err)
	}
	return p.signalKeeper(keeper, unix.SIGTERM)
}

// evict kills a keeper, and with it the daemon, that is of no use to anybody: it does not answer. While other clients
// hold leases it is theirs, and evict returns an *Error. seat is the caller's shared lock, and exclusive afterwards.
func (p place) evict(ctx context.Context, seat *os.File) error {
	keeper, daemon, err := p.pids()
	if err != nil {
		return err
	}
	alone, stop := context.WithTimeoutCause(ctx, aloneLimit, errors.New("other builds use it"))
	defer stop()
	if err := waitLock(alone, seat, unix.LOCK_EX); err != nil {
		return &Error{Fault: Hung, Path: p.Path(), Process: keeper, Cause: fmt.Errorf("the embedded BuildKit daemon in %s "+
			"(process %d) does not answer, and other builds use it", p.Path(), daemon)}
	}
	return p.signalKeeper(keeper, unix.SIGKILL)
}

// signalKeeper sends a signal to the process pid unless it is another program, which got the number of a keeper that is
// gone.
func (p place) signalKeeper(pid int, signal os.Signal) error {
	handle, err := os.FindProcess(pid) // a handle that stays with the process, not with the number
	if err != nil || pid == 0 {
		return nil
	}
	defer func() { _ = handle.Release() }()
	arguments, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
	if err != nil || !bytes.Contains(arguments, []byte("\x00"+keeperName+"\x00"+p.Path()+"\x00")) {
		return nil
	}
	if alive, err := p.Lstat(aliveLock); err != nil || !holds(pid, alive) {
		return nil // another program, whatever it calls itself
	}
	if err := handle.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("the keeper of the embedded BuildKit daemon in %s: end process %d: %w", p.Path(), pid, err)
	}
	return nil
}
