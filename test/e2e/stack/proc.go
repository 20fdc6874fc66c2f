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

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon/daemontest"
)

// Proc is a process of this machine.
type Proc struct {
	PID     int
	Command string // its arguments, separated by spaces
	session int
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

// Processes returns the processes that match, without this one. It leaves out processes that have ended or end
// meanwhile.
func Processes(match func(Proc) bool) []Proc {
	var found []Proc
	for _, pid := range daemontest.ProcessIDs() {
		if p, ok := readProc(pid); ok && pid != os.Getpid() && match(p) {
			found = append(found, p)
		}
	}
	return found
}

// ProcessesWith returns the processes whose arguments contain text, such as the command of a step.
func ProcessesWith(text string) []Proc {
	return Processes(func(p Proc) bool { return strings.Contains(p.Command, text) })
}

// readProc returns a process. ok is false if it has ended.
func readProc(pid int) (p Proc, ok bool) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	// After the name in parentheses: state, parent, group, session.
	_, rest, named := bytes.Cut(stat, []byte(") "))
	fields := strings.Fields(string(rest))
	if err != nil || !named || len(fields) < 4 || fields[0] == "Z" {
		return Proc{}, false
	}
	session, _ := strconv.Atoi(fields[3])
	command := strings.TrimSpace(strings.ReplaceAll(daemontest.ProcessArguments(pid), "\x00", " "))
	return Proc{PID: pid, Command: command, session: session}, true
}

// Mentions tells whether text is in the arguments or in the environment of the process.
func (p Proc) Mentions(text string) bool {
	if strings.Contains(p.Command, text) {
		return true
	}
	environ, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", p.PID))
	return bytes.Contains(environ, []byte(text))
}

// Daemons returns the processes of the embedded daemon in folder: the keeper, buildkitd and the runc of each step.
func Daemons(folder string) []Proc {
	session := ownSession()
	return Processes(func(p Proc) bool {
		return p.session != session && p.Mentions(folder)
	})
}

// Kill sends SIGKILL to each process that still runs.
func Kill(procs []Proc) {
	for _, p := range procs {
		_ = syscall.Kill(p.PID, syscall.SIGKILL)
	}
}

// ownSession returns the session of this process.
func ownSession() int {
	self, _ := readProc(os.Getpid())
	return self.session
}

// AwaitDaemonEnd waits up to 40 s until the daemon in folder and its mounts are gone. It kills the remaining processes
// and returns an error that names what is left. The daemon's idle time must be shorter than that.
func AwaitDaemonEnd(ctx context.Context, folder string) error {
	err := awaitNone(ctx, 40*time.Second, "after the daemon's idle time", func() []Proc { return Daemons(folder) })
	return errors.Join(err, checkUnmounted(folder))
}

// awaitNone waits until remaining returns no process. After the limit it kills the rest and returns an error that names
// them.
func awaitNone(ctx context.Context, bound time.Duration, when string, left func() []Proc) error {
	err := WaitUntil(ctx, bound, func() bool { return len(left()) == 0 })
	if err == nil {
		return nil
	}
	rest := left()
	Kill(rest)
	return fmt.Errorf("processes still there %s (killed now): %v: %w", when, rest, err)
}

// checkUnmounted returns an error if something is mounted below folder.
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

// WaitUntil calls holds until it returns true: every 20 ms at first, and less often later. It returns an error after
// the limit.
func WaitUntil(ctx context.Context, bound time.Duration, holds func() bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, bound, fmt.Errorf("not within %s", bound))
	defer cancel()
	for pause := 20 * time.Millisecond; !holds(); pause = min(pause*5/4, 200*time.Millisecond) {
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}
