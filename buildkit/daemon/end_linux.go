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

// endLimit is what a keeper needs to notice that its daemon has ended, and to leave the reason.
const endLimit = 2 * time.Second

// newLease returns a lease on the daemon of the folder, which runs. The lease opens the folder by itself. If that
// fails, newLease closes seat.
func newLease(c client, seat *os.File) (*Lease, error) {
	folder, err := c.Again()
	if err != nil {
		return nil, errors.Join(err, seat.Close())
	}
	own := daemonFolder{folder}
	reason, _ := own.Read(offlineFile, file.LimitText) // absent as a rule
	return &Lease{
		endpoint: c.endpoint(),
		dial:     func(ctx context.Context) (net.Conn, error) { return dial(ctx, own) },
		offline:  string(reason),
		ended: func(ctx context.Context) error {
			reason := readEnd(ctx, own)
			if reason != nil {
				c.log(ctx, "daemon lost", "reason", reason.Error())
			}
			return reason
		},
		disk:    func() Disk { return folderDisk(own.Path()) },
		release: sync.OnceValue(func() error { return errors.Join(seat.Close(), own.Close()) }),
	}, nil
}

// writeEnd leaves err for clients whose builds the end of the daemon breaks, and returns it.
func writeEnd(f daemonFolder, err error) error {
	return errors.Join(err, f.Write(endFile, fmt.Append(nil, err)))
}

// readEnd returns why the daemon has ended by itself, as the keeper left it. It returns nil for a daemon that listens,
// and when no reason is there in time.
func readEnd(ctx context.Context, f daemonFolder) error {
	deadline := time.After(endLimit)
	tick := time.NewTicker(startPoll)
	defer tick.Stop()
	for {
		if reason, err := f.Read(endFile, file.LimitText); err == nil && len(reason) > 0 {
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
	ctx, stop := context.WithTimeoutCause(ctx, endLimit, errors.New("no answer"))
	defer stop()
	conn, err := dial(ctx, f)
	if err != nil {
		return false
	}
	return conn.Close() == nil
}
