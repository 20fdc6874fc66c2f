package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
)

// runDaemon starts the daemon and returns when nothing of it is left. The error says why the daemon ended by itself, or
// why the keeper ended it: without its relay no step has a network.
func (k keeper) runDaemon(alive *os.File, signals <-chan os.Signal, steps *relay) error {
	clients, err := openLock(k.daemonFolder, clientsLock)
	if err != nil {
		return err
	}
	defer func() { _ = clients.Close() }()
	ctx, end := context.WithCancelCause(context.Background())
	defer end(nil)
	cmd, err := k.startDaemon(ctx, alive)
	if err != nil {
		return fmt.Errorf("buildkitd: %w", err)
	}
	ended := make(chan struct{})
	rescue.Go(func(error) {}, func() {
		defer close(ended)
		_ = cmd.Wait()
	})
	k.log.Debug("daemon started", "process", cmd.Process.Pid)
	err = k.writePIDs(os.Getpid(), cmd.Process.Pid)
	var reason string
	if err == nil {
		reason, err = k.waitUntilUnused(clients, ended, steps.ended, signals)
	}
	k.log.Debug("daemon ends", "reason", reason, "error", err)
	switch {
	case errors.Is(err, errDaemonEnded):
		err = writeEnd(k.daemonFolder, fmt.Errorf("%w (%s): read %s", err, cmd.ProcessState, k.path(daemonLog)))
	case errors.Is(err, errRelayEnded):
		err = writeEnd(k.daemonFolder, fmt.Errorf("%w (%s): read %s", err, steps.cmd.ProcessState, k.path(relayLog)))
		_ = cmd.Process.Kill() // at once: its steps would wait for a network that does not come back
	}
	end(errors.New("not used any more"))
	<-ended
	k.log.Debug("daemon ended", "state", cmd.ProcessState)
	return err
}

var (
	errDaemonEnded = errors.New("buildkitd ended by itself")
	errRelayEnded  = errors.New("the network relay of steps ended by itself")
)

// waitUntilUnused returns when the daemon may end, and why: nobody has held a lease for the idle time, and newcomers
// wait because clients is locked now; or a signal came. It returns errDaemonEnded or errRelayEnded when one of them has
// ended.
func (k keeper) waitUntilUnused(
	clients *os.File, daemon, relay <-chan struct{}, signals <-chan os.Signal,
) (reason string, err error) {
	tick := time.NewTicker(idlePoll)
	defer tick.Stop()
	used := time.Now()
	for {
		select {
		case <-daemon:
			return "", errDaemonEnded
		case <-relay:
			return "", errRelayEnded
		case s := <-signals:
			return "signal: " + s.String(), nil
		case <-tick.C:
		}
		// A lock that cannot be had, whatever the reason, is no proof that nobody holds it.
		if free, _ := tryLock(clients, unix.LOCK_EX); !free {
			used = time.Now()
		} else if time.Since(used) >= k.idle {
			return "no lease for " + k.idle.String(), nil
		} else {
			_, _ = tryLock(clients, unix.LOCK_UN)
		}
	}
}

// startDaemon starts the namespaces' init, which becomes buildkitd. The end of ctx terminates it, and kills it after
// stopLimit.
func (k keeper) startDaemon(ctx context.Context, alive *os.File) (*exec.Cmd, error) {
	log, err := k.Create(daemonLog)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	gate, open, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer func() { _, _ = gate.Close(), open.Close() }()
	cmd := exec.CommandContext(ctx, "/proc/self/exe", k.arguments(initName)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(unix.SIGTERM) }
	cmd.WaitDelay = stopLimit
	cmd.Dir, cmd.Env = "/", setVariable(filterEnviron(os.Environ()), "TMPDIR", tempMount)
	if k.mode == rootless {
		cmd.Env = setVariable(cmd.Env, runtimeVariable, runtimeFolder)
	}
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = log, log, []*os.File{alive, gate}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS, Pdeathsig: unix.SIGKILL}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	// Pdeathsig is set by now. An init whose keeper died before that would live on: it finds the gate closed.
	_, err = open.Write([]byte{1})
	return cmd, err
}

// setVariable returns an environment, of the form of os.Environ, in which name has the value.
func setVariable(environ []string, name, value string) []string {
	others := slices.DeleteFunc(environ, func(entry string) bool { return strings.HasPrefix(entry, name+"=") })
	return append(others, name+"="+value)
}
