package daemon

import (
	"context"
	"net"
)

// Lease keeps the daemon running. It ends with Release or with the process, however that ends. Its methods are safe for
// concurrent use.
type Lease struct {
	endpoint string
	dial     func(context.Context) (net.Conn, error)
	offline  string
	ended    func() error
	release  func() error
	disk     func() Disk
}

// Endpoint is the daemon's address: unix:///path/to/buildkitd.sock.
func (l *Lease) Endpoint() string { return l.endpoint }

// Dial connects to the daemon. The error says who else listens at its address.
func (l *Lease) Dial(ctx context.Context) (net.Conn, error) { return l.dial(ctx) }

// Offline returns why steps of this daemon have no network, or "".
func (l *Lease) Offline() string { return l.offline }

// Ended returns why the daemon has ended by itself, for a build that lost it, or nil when it runs.
func (l *Lease) Ended() error { return l.ended() }

// Disk returns what is free on the daemon's disk now.
func (l *Lease) Disk() Disk { return l.disk() }

// Release ends the lease; the daemon ends after its idle time when no other lease is held. Further calls return what the
// first did.
func (l *Lease) Release() error { return l.release() }
