package buildkit

import "net"

// MoveGates gives gates another address, as daemons see it, until restore.
func MoveGates(address string) (restore func()) {
	before := gateHost
	gateHost = func(net.Listener) string { return address }
	return func() { gateHost = before }
}
