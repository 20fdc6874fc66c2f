package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/file"
)

// exitReasonLimit is how long a keeper may take to notice that its daemon has exited, and to write the reason.
// exitReasonPoll is how often a client looks for it.
const (
	exitReasonLimit = 2 * time.Second
	exitReasonPoll  = 20 * time.Millisecond
)

// newLease returns a lease on the running daemon of the client's folder. The lease opens the folder for itself. If that
// fails, newLease closes clientsLock.
func newLease(c client, clientsLock *os.File) (*Lease, error) {
	folder, err := c.Again()
	if err != nil {
		return nil, errors.Join(err, clientsLock.Close())
	}
	own := daemonFolder{folder}
	reason, _ := own.Read(offlineFile, file.LimitText) // absent as a rule
	keeper, _, _ := own.pids()
	return &Lease{
		endpoint: c.endpoint(),
		dial:     func(ctx context.Context) (net.Conn, error) { return dial(ctx, own) },
		offline:  string(reason),
		exitReason: func(ctx context.Context) error {
			reason := readExitReason(ctx, own)
			if reason != nil {
				c.log(ctx, "daemon lost", "reason", reason.Error())
			}
			return reason
		},
		disk:      func() Disk { return folderDisk(own.Path()) },
		freeSpace: func(ctx context.Context) (uint64, error) { return freeSpace(ctx, own) },
		damage:    func() error { return own.reportDamage(keeper) },
		release:   sync.OnceValue(func() error { return errors.Join(clientsLock.Close(), own.Close()) }),
	}, nil
}

// reportDamage says that a build has met damage in the state of the keeper's daemon. It does nothing if another keeper
// runs now: it would stop a daemon that has met none.
func (f daemonFolder) reportDamage(keeper int) error {
	if now, _, err := f.pids(); err != nil || now != keeper {
		return err
	}
	return f.Write(damagedFile, nil)
}

// writeExitReason writes err to a file, for clients whose builds fail because the daemon exited, and returns err.
func writeExitReason(f daemonFolder, err error) error {
	return errors.Join(err, f.Write(exitReasonFile, fmt.Append(nil, err)))
}

// readExitReason returns why the daemon exited by itself, as the keeper wrote it. It returns nil if the daemon listens,
// or if the keeper writes no reason in time.
func readExitReason(ctx context.Context, f daemonFolder) error {
	deadline := time.After(exitReasonLimit)
	tick := time.NewTicker(exitReasonPoll)
	defer tick.Stop()
	for {
		if reason, err := f.Read(exitReasonFile, file.LimitText); err == nil && len(reason) > 0 {
			return errors.New(string(reason))
		}
		if isListening(ctx, f) {
			return nil
		}
		select {
		case <-tick.C:
		case <-deadline:
			return nil
		}
	}
}

// isListening reports whether a daemon accepts a connection now.
func isListening(ctx context.Context, f daemonFolder) bool {
	ctx, cancel := context.WithTimeoutCause(ctx, exitReasonLimit, errors.New("no answer"))
	defer cancel()
	conn, err := dial(ctx, f)
	if err != nil {
		return false
	}
	return conn.Close() == nil
}
