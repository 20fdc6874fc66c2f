package daemon

import (
	"io"
	"sync"
)

// Lease keeps the daemon running. It ends with Release or with the process, however that ends. Its methods are safe for
// concurrent use.
type Lease struct {
	endpoint string
	release  func() error
}

func newLease(endpoint string, seat io.Closer) *Lease {
	return &Lease{endpoint: endpoint, release: sync.OnceValue(seat.Close)}
}

// Endpoint is the daemon's address: unix:///path/to/buildkitd.sock.
func (l *Lease) Endpoint() string { return l.endpoint }

// Release ends the lease; the daemon ends after its idle time when no other lease is held. Further calls return what the
// first did.
func (l *Lease) Release() error { return l.release() }
