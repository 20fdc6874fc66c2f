package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/file"
)

// endLimit is what a keeper needs to notice that its daemon has ended, and to leave the reason.
const endLimit = 2 * time.Second

// newLease returns a lease on the daemon of the place, which runs. It has the folder open by itself, and closes seat if
// that fails.
func (p place) newLease(seat *os.File) (*Lease, error) {
	folder, err := p.Again()
	if err != nil {
		return nil, errors.Join(err, seat.Close())
	}
	own := place{folder}
	reason, _ := own.Read(offlineFile, file.LimitText) // absent as a rule
	return &Lease{
		endpoint: p.endpoint(), dial: own.dial, offline: string(reason), ended: own.readEnd,
		disk:    func() Disk { return diskOf(own.Path()) },
		release: sync.OnceValue(func() error { return errors.Join(seat.Close(), own.Close()) }),
	}, nil
}

// explainEnd leaves err for clients whose builds the end of the daemon breaks.
func (p place) explainEnd(err error) error {
	return errors.Join(err, p.Write(endFile, fmt.Append(nil, err)))
}

// readEnd returns what the keeper has left. A daemon that listens has not ended.
func (p place) readEnd() error {
	deadline := time.After(endLimit)
	tick := time.NewTicker(startPoll)
	defer tick.Stop()
	for {
		if reason, err := p.Read(endFile, file.LimitText); err == nil && len(reason) > 0 {
			return errors.New(string(reason))
		}
		if p.listens() {
			return nil
		}
		select {
		case <-tick.C:
		case <-deadline:
			return nil
		}
	}
}

func (p place) listens() bool {
	ctx, stop := context.WithTimeoutCause(context.Background(), endLimit, errors.New("no answer"))
	defer stop()
	conn, err := p.dial(ctx)
	if err != nil {
		return false
	}
	return conn.Close() == nil
}
