package relay

import (
	"net/netip"
	"os"
	"sync"
)

// relay serves steps, each behind a device of its own.
type relay struct {
	subnets     []netip.Prefix
	resolvers   resolvers
	connections *flows
	exchanges   *flows
	questions   chan struct{} // holds one for each question to resolvers

	mu    sync.Mutex
	steps map[string]*step // by the id of their namespace
}

func newRelay(subnets []netip.Prefix) *relay {
	return &relay{
		subnets:     subnets,
		resolvers:   machineResolvers,
		connections: &flows{limit: connectionsOfAll},
		exchanges:   &flows{limit: exchangesOfAll},
		questions:   make(chan struct{}, questionsOfAll),
		steps:       map[string]*step{},
	}
}

// Attach serves the step behind device until Detach, or until the device fails.
func (r *relay) Attach(id string, device *os.File) error {
	s, err := newStep(r, device)
	if err != nil {
		return err
	}
	r.mu.Lock()
	earlier := r.steps[id]
	r.steps[id] = s
	r.mu.Unlock()
	if earlier != nil {
		earlier.close()
	}
	s.start()
	return nil
}

// Detach closes the device.
func (r *relay) Detach(id string) {
	r.mu.Lock()
	s := r.steps[id]
	delete(r.steps, id)
	r.mu.Unlock()
	if s != nil {
		s.close()
	}
}
