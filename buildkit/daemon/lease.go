package daemon

import (
	"context"
	"net"
)

// Lease keeps the daemon running until Release is called or this process exits, however it does. Its methods are safe
// for concurrent use.
type Lease struct {
	endpoint   string
	dial       func(context.Context) (net.Conn, error)
	offline    string
	exitReason func(context.Context) error
	release    func() error
	disk       func() Disk
	freeSpace  func(context.Context) (uint64, error)
	damage     func() error
}

// Endpoint returns where the daemon listens: unix:///path/to/buildkitd.sock.
func (l *Lease) Endpoint() string { return l.endpoint }

// Dial connects to the daemon. It returns an error that names the user or the process if another program listens at the
// endpoint.
func (l *Lease) Dial(ctx context.Context) (net.Conn, error) { return l.dial(ctx) }

// OfflineReason returns why steps of this daemon have no network, or "".
func (l *Lease) OfflineReason() string { return l.offline }

// ExitReason returns why the daemon exited by itself, or nil if it runs. A build that lost its connection calls it. It
// works with a canceled ctx too.
func (l *Lease) ExitReason(ctx context.Context) error {
	return l.exitReason(context.WithoutCancel(ctx))
}

// Disk returns the disk of the daemon's folder, with its free space now.
func (l *Lease) Disk() Disk { return l.disk() }

// FreeSpace makes the daemon remove all cache that no build uses, also if its disk is full. It returns how many bytes
// became free.
func (l *Lease) FreeSpace(ctx context.Context) (freed uint64, err error) { return l.freeSpace(ctx) }

// ReportDamage says that a build has met damage in the build cache. No client joins the daemon any more. The next
// Acquire stops it as soon as nobody holds a lease, has the cache checked, and replaces a damaged one. ReportDamage
// does nothing if another keeper has started a daemon meanwhile.
func (l *Lease) ReportDamage() error { return l.damage() }

// Release releases the lease. The daemon stops after its idle time if nobody holds another lease. Further calls return
// what the first one did.
func (l *Lease) Release() error { return l.release() }
