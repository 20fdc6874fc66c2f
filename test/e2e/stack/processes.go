//go:build linux

package stack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Proc is a process of this machine.
type Proc struct {
	PID     int
	Command string // its arguments, separated by spaces
	session int
	environ string
}

func (p Proc) String() string { return fmt.Sprintf("%d %.120s", p.PID, p.Command) }

// HasOpen tells whether the process has the file open now.
func (p Proc) HasOpen(path string) bool {
	descriptors, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", p.PID))
	return slices.ContainsFunc(descriptors, func(d string) bool {
		target, err := os.Readlink(d)
		return err == nil && target == path
	})
}

// Processes are those that match, this one and those that have already ended left out. A process that ends while it is looked at
// is left out too.
func Processes(match func(Proc) bool) []Proc {
	entries, _ := filepath.Glob("/proc/[0-9]*")
	var found []Proc
	for _, entry := range entries {
		if p, ok := readProc(entry); ok && p.PID != os.Getpid() && match(p) {
			found = append(found, p)
		}
	}
	return found
}

// ProcessesWith are the processes whose arguments contain text: a step's, for one.
func ProcessesWith(text string) []Proc {
	return Processes(func(p Proc) bool { return strings.Contains(p.Command, text) })
}

func readProc(folder string) (Proc, bool) {
	pid, _ := strconv.Atoi(filepath.Base(folder))
	stat, err := os.ReadFile(filepath.Join(folder, "stat"))
	cmdline, _ := os.ReadFile(filepath.Join(folder, "cmdline"))
	environ, _ := os.ReadFile(filepath.Join(folder, "environ"))
	// After the name in parentheses: state, parent, group, session.
	_, rest, named := bytes.Cut(stat, []byte(") "))
	fields := strings.Fields(string(rest))
	if err != nil || !named || len(fields) < 4 || fields[0] == "Z" {
		return Proc{}, false
	}
	session, _ := strconv.Atoi(fields[3])
	command := strings.TrimSpace(strings.ReplaceAll(string(cmdline), "\x00", " "))
	return Proc{PID: pid, Command: command, session: session, environ: string(environ)}, true
}

// Plugins are the stack's processes: the CLI, its language host and the plugin. The daemon and its keeper are not among them: they
// have left the session, for they outlive it.
func (s *Stack) Plugins() []Proc {
	session := ownSession()
	return Processes(func(p Proc) bool {
		return p.session == session && (strings.Contains(p.environ, s.root+"/") || strings.Contains(p.Command, s.root+"/"))
	})
}

// Daemons are the processes of the embedded daemon in folder: the keeper, buildkitd and the steps' runc.
func Daemons(folder string) []Proc {
	session := ownSession()
	return Processes(func(p Proc) bool {
		return p.session != session && (strings.Contains(p.environ, folder) || strings.Contains(p.Command, folder))
	})
}

// Kill is kill -9 of each that is still there.
func Kill(procs []Proc) {
	for _, p := range procs {
		_ = syscall.Kill(p.PID, syscall.SIGKILL)
	}
}

func ownSession() int {
	self, _ := readProc("/proc/self")
	return self.session
}

// AwaitEnd waits up to 10 s for the stack's processes to end; the error names those that did not, which are killed.
func (s *Stack) AwaitEnd(ctx context.Context) error {
	return awaitNone(ctx, 10*time.Second, "after the command", s.Plugins)
}

// AwaitDaemonEnd waits up to 20 s, which must hold the idle time, for the daemon in folder and its mounts to go; the error names what
// did not, and its processes are killed.
func AwaitDaemonEnd(ctx context.Context, folder string) error {
	err := awaitNone(ctx, 20*time.Second, "after the daemon's idle time", func() []Proc { return Daemons(folder) })
	return errors.Join(err, checkUnmounted(folder))
}

func awaitNone(ctx context.Context, bound time.Duration, when string, left func() []Proc) error {
	err := WaitUntil(ctx, bound, func() bool { return len(left()) == 0 })
	if err == nil {
		return nil
	}
	rest := left()
	Kill(rest)
	return fmt.Errorf("processes still there %s (killed now): %v: %w", when, rest, err)
}

func checkUnmounted(folder string) error {
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	lines := strings.Split(string(table), "\n")
	lines = slices.DeleteFunc(lines, func(line string) bool { return !strings.Contains(line, folder+"/") })
	if len(lines) > 0 {
		return fmt.Errorf("mounts are left of the daemon: %s", strings.Join(lines, "; "))
	}
	return nil
}

// WaitUntil asks every 20 ms, at most for bound, until holds.
func WaitUntil(ctx context.Context, bound time.Duration, holds func() bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, bound, fmt.Errorf("not within %s", bound))
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}
