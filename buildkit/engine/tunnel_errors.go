package engine

import "fmt"

// ClaimedError says that the engine has a tunnel from the same port to another machine.
type ClaimedError struct{ Address, Host string }

// Error names the port and the engine.
func (e *ClaimedError) Error() string {
	return fmt.Sprintf("%s: in the Docker Engine at %s, this port leads to another machine, for a build that runs "+
		"there now", e.Address, e.Host)
}

// TunnelError says that the tunnel to a registry on this machine could not be opened.
type TunnelError struct {
	Address, Host string // of the registry and of the engine
	Cause         error
}

// Error names the registry, the engine and the cause.
func (e *TunnelError) Error() string {
	return fmt.Sprintf("%s: the Docker Engine at %s got no tunnel to this port of this machine: %v", e.Address, e.Host,
		e.Cause)
}

// Unwrap returns the cause.
func (e *TunnelError) Unwrap() error { return e.Cause }

// OccupiedError says that something else listens at the address of a registry, on the machine of the engine.
type OccupiedError struct{ Address, Host string }

// Error names the address and the engine.
func (e *OccupiedError) Error() string {
	return fmt.Sprintf("%s: on the machine of the Docker Engine at %s something else listens at this port, so the "+
		"registry of this machine cannot be reached from there", e.Address, e.Host)
}
