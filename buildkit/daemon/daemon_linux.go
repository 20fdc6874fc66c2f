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

// runDaemon starts the daemon and returns when the daemon has exited. The error says why the daemon exited by itself,
// or why the keeper killed it: without the relay no step has a network.
func (k keeper) runDaemon(aliveLock *os.File, signals <-chan os.Signal, stepRelay *relay) error {
	clientsLock, err := openLock(k.daemonFolder, clientsLockFile)
	if err != nil {
		return err
	}
	defer func() { _ = clientsLock.Close() }()
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	cmd, err := k.startInit(ctx, aliveLock)
	if err != nil {
		return fmt.Errorf("buildkitd: %w", err)
	}
	exited := make(chan struct{})
	rescue.Go(func(error) {}, func() {
		defer close(exited)
		_ = cmd.Wait()
	})
	k.log.Debug("daemon started", "process", cmd.Process.Pid)
	err = k.writePIDs(os.Getpid(), cmd.Process.Pid)
	var reason string
	if err == nil {
		reason, err = k.waitUntilUnused(clientsLock, exited, stepRelay.exited, signals)
	}
	k.log.Debug("daemon stops", "reason", reason, "error", err)
	switch {
	case errors.Is(err, errDaemonExited):
		err = writeExitReason(k.daemonFolder, fmt.Errorf("%w (%s): read %s", err, cmd.ProcessState, k.path(daemonLog)))
	case errors.Is(err, errRelayExited):
		state := stepRelay.cmd.ProcessState
		err = writeExitReason(k.daemonFolder, fmt.Errorf("%w (%s): read %s", err, state, k.path(relayLog)))
		_ = cmd.Process.Kill() // at once: its steps would wait for a network that does not come back
	}
	cancel(errors.New("not used any more"))
	<-exited
	k.log.Debug("daemon stopped", "state", cmd.ProcessState)
	return err
}

var (
	errDaemonExited = errors.New("buildkitd ended by itself")
	errRelayExited  = errors.New("the network relay of steps ended by itself")
)

// waitUntilUnused returns when the daemon can stop, and why. Either nobody has held a lease for the idle time: then
// clientsLock is locked, so that newcomers wait. Or a signal came. It returns errDaemonExited or errRelayExited if one
// of these processes has exited.
func (k keeper) waitUntilUnused(
	clientsLock *os.File, daemon, relay <-chan struct{}, signals <-chan os.Signal,
) (reason string, err error) {
	tick := time.NewTicker(idlePoll)
	defer tick.Stop()
	used := time.Now()
	for {
		select {
		case <-daemon:
			return "", errDaemonExited
		case <-relay:
			return "", errRelayExited
		case s := <-signals:
			return "signal: " + s.String(), nil
		case <-tick.C:
		}
		// Any failure counts as used: only a lock that was taken proves that nobody else holds it.
		if free, _ := tryLock(clientsLock, unix.LOCK_EX); !free {
			used = time.Now()
		} else if time.Since(used) >= k.idle {
			return "no lease for " + k.idle.String(), nil
		} else {
			_, _ = tryLock(clientsLock, unix.LOCK_UN)
		}
	}
}

// startInit starts the init of the daemon's namespaces, which becomes buildkitd. When ctx is canceled, the process gets
// SIGTERM, and is killed after stopLimit.
func (k keeper) startInit(ctx context.Context, aliveLock *os.File) (*exec.Cmd, error) {
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
	cmd.Dir, cmd.Env = "/", setVariable(keepInherited(os.Environ()), "TMPDIR", tempMount)
	if k.mode == rootless {
		cmd.Env = setVariable(cmd.Env, runtimeVariable, runtimeFolder)
	}
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = log, log, []*os.File{aliveLock, gate}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS, Pdeathsig: unix.SIGKILL}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	// Pdeathsig is set by now. An init whose keeper died before that reads no byte from the gate, and exits.
	_, err = open.Write([]byte{1})
	return cmd, err
}

// setVariable returns environ, which has the form of os.Environ, with name set to value.
func setVariable(environ []string, name, value string) []string {
	others := slices.DeleteFunc(environ, func(entry string) bool { return strings.HasPrefix(entry, name+"=") })
	return append(others, name+"="+value)
}
