package tunnel

import (
	"errors"
	"fmt"
	"net/netip"
)

// Request is what the plugin tells Listen.
type Request struct {
	// Addresses are ports of the loopback: 127.0.0.1:5000. BuildKit may connect to each of them. Those behind the first
	// may not exist in the network of the engine.
	Addresses []string `json:"addresses"`
	// Proof is that of the machine to which the tunnel leads.
	Proof Proof `json:"proof"`
	// Reserve asks for the addresses only: nothing listens at them on the machine of the plugin now. Until the tunnel
	// ends, they lead to no other machine.
	Reserve bool `json:"reserve,omitempty"`
}

// State is what Listen found at the addresses.
type State string

// The states of addresses.
const (
	Asking    State = "asking"    // not known yet: Listen waits for a Verdict
	Listening State = "listening" // the tunnel is open
	Reserved  State = "reserved"  // nothing listens there, and no tunnel to another machine is opened
	Same      State = "same"      // the loopback is that of the plugin: no tunnel is needed
	Occupied  State = "occupied"  // something of the engine's own network answers there
	Bound     State = "bound"     // something of the engine's own network has the port, and does not answer
	Claimed   State = "claimed"   // a tunnel to another machine is open there
)

// Answer is what Listen answers to a Request and to each Verdict.
type Answer struct {
	State State `json:"state"`
	// Holders are the proofs of those whose tunnels are open. Listen asks whether one of them is of this machine.
	Holders []Proof `json:"holders,omitempty"`
}

// Verdict is what the plugin answers to Asking.
type Verdict struct {
	Here bool `json:"here"` // see HoldsHere
	Stop bool `json:"stop"` // the plugin does not wait any longer for the holders to end
}

// parseAddresses returns the addresses of a request. It returns an error for an address that is not on the loopback.
func (r Request) parseAddresses() ([]netip.AddrPort, error) {
	if len(r.Addresses) == 0 || r.Proof.Question == "" || r.Proof.Answer == "" {
		return nil, errors.New("the request has no address or no proof")
	}
	var parsed []netip.AddrPort
	for _, address := range r.Addresses {
		addr, err := netip.ParseAddrPort(address)
		if err != nil {
			return nil, err
		}
		if !addr.Addr().IsLoopback() || addr.Addr().Zone() != "" || addr.Port() == 0 {
			return nil, fmt.Errorf("%s is not a port of the loopback", addr)
		}
		parsed = append(parsed, addr)
	}
	return parsed, nil
}
