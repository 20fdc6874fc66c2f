package relay

import "sync"

// What steps may have at once. The relay's memory limit holds all of them at their largest.
const (
	connectionsOfStep, connectionsOfAll = 512, 1024
	exchangesOfStep, exchangesOfAll     = 256, 512 // of datagrams

	// A connection has buffers of bufferSize for each direction, and of smallBuffer when many are open.
	bufferSize, smallBuffer               = 256 << 10, 32 << 10
	largeBuffersOfStep, largeBuffersOfAll = 64, 192
)

// flows counts what all steps have, of one kind.
type flows struct {
	limit int

	mu   sync.Mutex
	used int
}

// stepFlows counts what one step has of it.
type stepFlows struct {
	all   *flows
	limit int
	used  int // guarded by all.mu
}

// take adds one, and returns how many there are now in the step and in all. It is false when the step or all have
// reached their limit.
func (s *stepFlows) take() (step, all int, ok bool) {
	s.all.mu.Lock()
	defer s.all.mu.Unlock()
	if s.used >= s.limit || s.all.used >= s.all.limit {
		return s.used, s.all.used, false
	}
	s.used++
	s.all.used++
	return s.used, s.all.used, true
}

// release takes one away.
func (s *stepFlows) release() {
	s.all.mu.Lock()
	defer s.all.mu.Unlock()
	s.used--
	s.all.used--
}

// buffers returns the size of a connection's buffers when so many are open.
func buffers(step, all int) int64 {
	if step <= largeBuffersOfStep && all <= largeBuffersOfAll {
		return bufferSize
	}
	return smallBuffer
}
