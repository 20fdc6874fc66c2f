package provider

import (
	"flag"
	"fmt"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon/daemontest"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// losses are the ways to lose a daemon.
var losses = map[string]struct {
	lose    func(*killableDaemon)
	back    func(*killableDaemon) // before the next update
	says    []string              // in the error
	returns bool                  // the daemon comes back by itself, and the update succeeds
}{
	"killed": {
		lose: (*killableDaemon).end, back: (*killableDaemon).mustStart,
		says: []string{"the daemon ended, or the connection to it did. It may have been stopped, memory may have run"},
	},
	"killed and restarted": {
		lose:    func(d *killableDaemon) { d.end(); go func() { _ = d.start() }() },
		back:    func(*killableDaemon) {},
		returns: true,
	},
	"frozen": {
		lose: func(d *killableDaemon) { d.signal(syscall.SIGSTOP) },
		back: func(d *killableDaemon) { d.signal(syscall.SIGCONT) },
		says: []string{"the daemon has given no sign of life for ", ": no answer within 3s"},
	},
}

// everyLoss runs every way to lose a daemon in every phase. Without it each phase has one test.
var everyLoss = flag.Bool("every-loss", false, "lose the daemon in every way in every phase")

// fewLosses are the ways to lose a daemon that are tested in a phase without -every-loss.
var fewLosses = map[string][]string{
	"connection": {"killed"}, "context": {"killed and restarted"}, "step": {"frozen"},
	"export": {"killed and restarted"}, "push of a layer": {"killed and restarted"},
	"push of the manifest": {"killed"}, "verification": {"killed"}, "tags": {"frozen"},
}

// A daemon that is killed or freezes in any phase ends the update soon and with a clear error, or it is not needed any
// more. If it comes back, the update succeeds. Nothing is left of the update, no tag moves halfway, and the next one is
// right.
func TestADaemonIsLostInEachPhase(t *testing.T) {
	t.Parallel()
	daemontest.SkipWithoutDaemon(t)
	base, number := pushBusybox(t, registrytest.New(t).Host()), 0
	for phase := range phases {
		for loss := range losses {
			isAbsent := phase == "connection" && losses[loss].returns // that is no build that is tried again
			if number++; isAbsent || !*everyLoss && !slices.Contains(fewLosses[phase], loss) {
				continue
			}
			r := &lossRun{base: base, step: fmt.Sprintf("sleep 1.77%03d", number)}
			t.Run(phase+" "+loss, func(t *testing.T) {
				t.Parallel()
				r.prepare(t)
				r.check(phase, loss)
			})
		}
	}
}

// check loses the daemon in a phase and checks this update and the next one.
func (r *lossRun) check(phase, loss string) {
	r.t.Helper()
	c := losses[loss]
	var lost time.Time
	r.lose = func() { lost = time.Now(); c.lose(r.killableDaemon) }
	phases[phase](r)
	out, err := r.up()
	if took := time.Since(lost); lost.IsZero() || !c.returns && took > time.Minute {
		r.t.Errorf("the update took %s more", took)
	}
	if phase == "verification" || phase == "tags" || c.returns {
		r.checkImage(out, err)
	} else {
		r.checkLoss(phase, err, c.says)
	}
	c.back(r.killableDaemon)
	isClosed := func() bool { return r.open.Load() == 0 }
	if err := stack.WaitUntil(r.t.Context(), 20*time.Second, isClosed); err != nil {
		r.t.Errorf("%d connections are left", r.open.Load())
	}
	out, err = r.up()
	r.checkImage(out, err)
}
