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
	ended    func(context.Context) error
	release  func() error
	disk     func() Disk
}

// Endpoint returns the daemon's address: unix:///path/to/buildkitd.sock.
func (l *Lease) Endpoint() string { return l.endpoint }

// Dial connects to the daemon. It returns an error that names the user or the process if another program listens at the
// address.
func (l *Lease) Dial(ctx context.Context) (net.Conn, error) { return l.dial(ctx) }

// OfflineReason returns why steps of this daemon have no network, or "".
func (l *Lease) OfflineReason() string { return l.offline }

// EndReason returns why the daemon ended by itself, or nil if it runs. A build that lost its connection calls it. It
// works with a canceled ctx too.
func (l *Lease) EndReason(ctx context.Context) error { return l.ended(context.WithoutCancel(ctx)) }

// Disk returns the file system of the daemon's folder, with its free space now.
func (l *Lease) Disk() Disk { return l.disk() }

// Release ends the lease. The daemon ends after its idle time when no other lease is held. Further calls return what
// the first did.
func (l *Lease) Release() error { return l.release() }
