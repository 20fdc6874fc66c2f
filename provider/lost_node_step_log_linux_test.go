package provider

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// stepLog notes on which node which step ran.
type stepLog struct {
	mu      sync.Mutex
	seen    map[[2]int]map[int]bool // IDs of processes, by the numbers of the node and the platform
	running map[[2]int]bool
}

// newStepLog watches the processes of a run until the test ends.
func newStepLog(t *testing.T, r *nodeLossRun) *stepLog {
	l := &stepLog{seen: map[[2]int]map[int]bool{}}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	t.Cleanup(func() { cancel(); <-done })
	go func() {
		defer close(done)
		for tick := time.NewTicker(50 * time.Millisecond); ; {
			l.look(r)
			select {
			case <-tick.C:
			case <-ctx.Done():
				tick.Stop()
				return
			}
		}
	}()
	return l
}

// look notes the steps that run now. The mounts of a step name the folder of its daemon.
func (l *stepLog) look(r *nodeLossRun) {
	running := map[[2]int]bool{}
	l.mu.Lock()
	defer l.mu.Unlock()
	for platform, part := range r.parts {
		for _, p := range stack.Processes(func(p stack.Proc) bool { return strings.HasSuffix(p.Command, part.step) }) {
			mounts, _ := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", p.PID))
			for i, node := range r.nodes {
				if key := [2]int{i, platform}; strings.Contains(string(mounts), node.dir) {
					if l.seen[key] == nil {
						l.seen[key] = map[int]bool{}
					}
					l.seen[key][p.PID], running[key] = true, true
				}
			}
		}
	}
	l.running = running
}

// count returns how many times the step of a platform ran on a node.
func (l *stepLog) count(node, platform int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.seen[[2]int{node, platform}])
}

// runs tells whether the step of a platform runs on a node.
func (l *stepLog) runs(node, platform int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.running[[2]int{node, platform}]
}
