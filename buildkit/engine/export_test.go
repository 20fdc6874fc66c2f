package engine

import "time"

// Functions of this package that tests call.
var (
	LockStart          = lockStart
	IsOnAnotherMachine = isOnAnotherMachine
)

// SetTunnelLimits makes the tunnels of a builder wait less.
func (b *Builder) SetTunnelLimits(open, claim time.Duration) {
	b.tunnelLimits = tunnelLimits{open: open, claim: claim}
}
