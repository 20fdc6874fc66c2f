package engine

import "time"

// LockStart is lockStart.
var LockStart = lockStart

// SetTunnelLimit makes the tunnels of a builder wait less.
func (b *Builder) SetTunnelLimit(limit time.Duration) { b.tunnelLimit = limit }
