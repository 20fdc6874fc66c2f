package provider

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
)

// How long the answer of a node holds, and how long it counts that a node or a mirror did not answer. Later images of a
// run do not wait for it again.
const (
	servedLifetime  = 10 * time.Minute
	absenceLifetime = time.Minute
)

// nodeAnswers remembers what the nodes of a provider have answered, by the names of the nodes.
type nodeAnswers struct {
	mu    sync.Mutex
	known map[string]*nodeAnswer
}

// nodeAnswer is what a node has answered. Those who ask at the same time wait for one answer.
type nodeAnswer struct {
	turn   chan struct{} // of capacity 1: who holds it may ask
	at     time.Time
	until  time.Time
	served buildkit.Served
	err    error

	oldest atomic.Pointer[time.Time] // an earlier answer does not hold; nil: any holds
}

// of returns the place for the answer of a node.
func (a *nodeAnswers) of(name string) *nodeAnswer {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.known == nil {
		a.known = map[string]*nodeAnswer{}
	}
	if a.known[name] == nil {
		a.known[name] = &nodeAnswer{turn: make(chan struct{}, 1)}
	}
	return a.known[name]
}

// forget drops the answers of the nodes with these names, because they failed or were absent. The others are not asked
// again.
func (a *nodeAnswers) forget(names ...string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, name := range names {
		delete(a.known, name)
	}
}

// forgetOld drops the answers that are older than age. It keeps that a node did not answer, so that nobody waits for
// that node again.
func (a *nodeAnswers) forgetOld(age time.Duration) {
	oldest := time.Now().Add(-age)
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, answer := range a.known {
		answer.oldest.Store(&oldest)
	}
}

// holds tells whether the answer still counts. The caller has the turn.
func (a *nodeAnswer) holds() bool {
	oldest := a.oldest.Load()
	isOld := oldest != nil && a.err == nil && a.at.Before(*oldest)
	return time.Now().Before(a.until) && !isOld
}

// ask returns what the daemon of a candidate serves. It asks once in the lifetime of an answer.
func (a *nodeAnswer) ask(ctx context.Context, c candidate) (buildkit.Served, error) {
	select {
	case a.turn <- struct{}{}:
		defer func() { <-a.turn }()
	case <-ctx.Done():
		return buildkit.Served{}, context.Cause(ctx)
	}
	if a.holds() {
		return a.served, a.err
	}
	a.served, a.err = askNode(ctx, c)
	if ctx.Err() != nil {
		return a.served, context.Cause(ctx) // this is no answer to remember
	}
	lifetime := servedLifetime
	if a.err != nil {
		lifetime = absenceLifetime
	}
	a.at = time.Now()
	a.until = a.at.Add(lifetime)
	return a.served, a.err
}

// askNode connects to a candidate and asks what it serves.
func askNode(ctx context.Context, c candidate) (buildkit.Served, error) {
	b, err := c.connect(ctx)
	if err != nil {
		return buildkit.Served{}, err
	}
	defer b.release()
	daemon, err := b.connect(ctx)
	if err != nil {
		return buildkit.Served{}, err
	}
	defer func() { _ = daemon.Close() }()
	ctx, stop := context.WithTimeoutCause(ctx, versionLimit, fmt.Errorf("no answer within %s", versionLimit))
	defer stop()
	served, err := buildkit.AskServed(ctx, daemon)
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return served, err
}
