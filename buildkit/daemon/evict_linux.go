package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// aloneLimit is how long a client that wants to replace a hung daemon waits for others: those that only ask whether the
// daemon answers hold their lock no longer than answerLimit.
const aloneLimit = answerLimit + time.Second

// evict kills a keeper, and with it the daemon, that is of no use to anybody: it does not answer. While other clients hold
// leases it is theirs, and the error says what to do. seat is the caller's shared lock, before and after.
func (p place) evict(ctx context.Context, seat *os.File) error {
	keeper, daemon, err := p.pids()
	if err != nil {
		return err
	}
	alone, stop := context.WithTimeoutCause(ctx, aloneLimit, errors.New("other builds use it"))
	defer stop()
	if err := waitLock(alone, seat, unix.LOCK_EX); err != nil {
		return fmt.Errorf("the embedded BuildKit daemon in %s (process %d) does not answer, and other builds use it: "+
			"end them, or run kill -9 %d, and try again", p, daemon, keeper)
	}
	if err := p.killKeeper(keeper); err != nil {
		return err
	}
	return waitLock(ctx, seat, unix.LOCK_SH)
}

// killKeeper ends the process pid unless it is another program, which got the number of a keeper that is gone.
func (p place) killKeeper(pid int) error {
	handle, err := os.FindProcess(pid) // a handle that stays with the process, not with the number
	if err != nil || pid == 0 {
		return nil
	}
	defer func() { _ = handle.Release() }()
	arguments, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
	if err != nil || !bytes.Contains(arguments, []byte("\x00"+keeperName+"\x00"+string(p)+"\x00")) {
		return nil
	}
	if err := handle.Signal(syscall.SIGKILL); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("the keeper of the embedded BuildKit daemon in %s: kill process %d: %w", p, pid, err)
	}
	return nil
}
