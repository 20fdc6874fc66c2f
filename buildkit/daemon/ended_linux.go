package daemon

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"
)

// endLimit is what a keeper needs to notice that its daemon has ended, and to leave the reason.
const endLimit = 2 * time.Second

// newLease returns a lease on the daemon of the place, which runs.
func (p place) newLease(seat io.Closer) *Lease {
	lease := newLease(p.endpoint(), seat)
	reason, _ := os.ReadFile(p.path(offlineFile)) // absent as a rule
	lease.offline, lease.ended = string(reason), p.readEnd
	return lease
}

// explainEnd leaves err for clients whose builds the end of the daemon breaks.
func (p place) explainEnd(err error) error {
	return errors.Join(err, os.WriteFile(p.path(endFile), fmt.Append(nil, err), 0o600))
}

// readEnd returns what the keeper has left. A daemon that listens has not ended.
func (p place) readEnd() error {
	deadline := time.After(endLimit)
	tick := time.NewTicker(startPoll)
	defer tick.Stop()
	for {
		if reason, err := os.ReadFile(p.path(endFile)); err == nil && len(reason) > 0 {
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
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: p.path(socketFile), Net: "unix"})
	if err != nil {
		return false
	}
	return conn.Close() == nil
}
