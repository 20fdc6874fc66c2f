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

// earlierDaemon is a daemon that somebody else has started.
type earlierDaemon struct {
	client client
	seat   *os.File
	killAt time.Time // one that has not ended by then is killed; zero: it was
	ends   bool
}

// joinOrEnd does once what has to be done about the daemon. It returns true if the client may join it.
func (e *earlierDaemon) joinOrEnd(ctx context.Context) (joins bool, err error) {
	reply, f := noAnswer, e.client.daemonFolder
	if !e.ends {
		reply, err = ask(ctx, e.client.setup)
	}
	switch {
	case err != nil || reply == same:
		return err == nil, err
	case reply == another:
		e.ends = true
		if err := dismiss(ctx, f, e.seat); err != nil {
			return false, err
		}
		e.client.logWithPIDs(ctx, "daemon ended", "reason", another.String())
		e.client.options.Note("ended the embedded BuildKit daemon of another version or configuration in " + f.Path())
	case !e.killAt.IsZero() && time.Now().After(e.killAt):
		e.killAt = time.Time{}
		e.client.logWithPIDs(ctx, "daemon hangs", "waited", e.client.options.Limit/3)
		return false, evict(ctx, f, e.seat)
	}
	return false, nil
}

// dismiss asks the keeper of a daemon of another version or configuration to end it. The error wraps errAnother while
// other clients hold leases.
//
// seat is the caller's shared lock, and exclusive afterwards: nobody may join a daemon that ends.
func dismiss(ctx context.Context, f daemonFolder, seat *os.File) error {
	keeper, daemon, err := f.pids()
	if err != nil {
		return err
	}
	alone, stop := context.WithTimeoutCause(ctx, aloneLimit, errAnother)
	defer stop()
	if err := lockWhenFree(alone, seat, unix.LOCK_EX); err != nil {
		return fmt.Errorf("the embedded BuildKit daemon in %s (process %d): %w", f.Path(), daemon, err)
	}
	return signalKeeper(f, keeper, unix.SIGTERM)
}

// evict kills a keeper, and with it the daemon, that is of no use to anybody because it does not answer. It returns an
// *Error while other clients hold leases on the daemon.
//
// seat is the caller's shared lock, and exclusive afterwards.
func evict(ctx context.Context, f daemonFolder, seat *os.File) error {
	keeper, daemon, err := f.pids()
	if err != nil {
		return err
	}
	alone, stop := context.WithTimeoutCause(ctx, aloneLimit, errors.New("other builds use it"))
	defer stop()
	if err := lockWhenFree(alone, seat, unix.LOCK_EX); err != nil {
		hung := newError(Hung, f.Path(),
			"the embedded BuildKit daemon in %s (process %d) does not answer, and other builds use it",
			f.Path(), daemon)
		hung.Process = keeper
		return hung
	}
	return signalKeeper(f, keeper, unix.SIGKILL)
}

// signalKeeper sends a signal to the process pid, if it is the keeper. Another program may have got the number of a
// keeper that is gone.
func signalKeeper(f daemonFolder, pid int, signal os.Signal) error {
	handle, err := os.FindProcess(pid) // a handle that stays with the process, not with the number
	if err != nil || pid == 0 {
		return nil
	}
	defer func() { _ = handle.Release() }()
	arguments, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
	if err != nil || !bytes.Contains(arguments, []byte("\x00"+keeperName+"\x00"+f.Path()+"\x00")) {
		return nil
	}
	if alive, err := f.Lstat(aliveLock); err != nil || !hasOpen(pid, alive) {
		return nil // another program, whatever it calls itself
	}
	if err := handle.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("the keeper of the embedded BuildKit daemon in %s: end process %d: %w", f.Path(), pid, err)
	}
	return nil
}
