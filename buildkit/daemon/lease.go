package daemon

import (
	"io"
	"sync"
)

// Lease keeps the daemon running. It ends with Release or with the process, however that ends. Its methods are safe for
// concurrent use.
type Lease struct {
	endpoint string
	written  func() (int64, bool)
	release  func() error
}

func newLease(endpoint string, written func() (int64, bool), seat io.Closer) *Lease {
	return &Lease{endpoint: endpoint, written: written, release: sync.OnceValue(seat.Close)}
}

// Endpoint is the daemon's address: unix:///path/to/buildkitd.sock.
func (l *Lease) Endpoint() string { return l.endpoint }

// Written is how many bytes the daemon has written since it started: to registries, clients and its disk. It is not known where the
// kernel does not tell, or when the daemon has ended.
func (l *Lease) Written() (bytes int64, known bool) { return l.written() }

// Release ends the lease; the daemon ends after its idle time when no other lease is held. Further calls return what the
// first did.
func (l *Lease) Release() error { return l.release() }
