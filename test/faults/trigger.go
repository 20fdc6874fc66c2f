package faults

import "sync"

// A trigger counts the events of a run and finds the one that is to fail.
type trigger struct {
	mu     sync.Mutex
	events []string // a description of each
	at     int      // the event that is to fail, counted from 1; 0 is none
	fault  string
	hit    string
}

// arm forgets the last run and chooses event i, counted from 1. No event fails if i is 0.
func (t *trigger) arm(i int, fault string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.events, t.at, t.fault, t.hit = nil, i, fault, ""
}

// next counts an event. It returns the fault if this event is to fail, or else "". It is to fail if it is the chosen
// one and suits accepts the fault. If suits does not, the next event that it accepts is to fail: operations of several
// goroutines have another order each time.
func (t *trigger) next(event string, suits func(fault string) bool) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.events = append(t.events, event)
	if t.at == 0 || len(t.events) < t.at || t.hit != "" || !suits(t.fault) {
		return ""
	}
	t.hit = t.fault + " at " + event
	return t.fault
}

// Count returns how many events there were since the last call of Reset or Arm.
func (t *trigger) Count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.events)
}

// Events returns a description of each event since the last call of Reset or Arm. Event i has the index i-1.
func (t *trigger) Events() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]string(nil), t.events...)
}

// Hit returns the fault that happened and the event that it happened at, or "" if none did.
func (t *trigger) Hit() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.hit
}

// setHit replaces the description of what happened.
func (t *trigger) setHit(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.hit = text
}
