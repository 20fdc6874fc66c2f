package endpoint

import "sync"

// noted keeps the last error that was set. Its methods are safe for concurrent use.
type noted struct {
	mu  sync.Mutex
	err error
}

func (n *noted) set(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.err = err
}

func (n *noted) get() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.err
}
