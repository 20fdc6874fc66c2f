package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
)

// runDaemon starts the daemon and returns when nothing of it is left. The error says why it ended by itself, or why it was
// ended: without its relay no step has a network.
func (k keeper) runDaemon(alive *os.File, signals <-chan os.Signal, steps *relay) error {
	clients, err := k.openLock(clientsLock)
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
	err = k.writePIDs(os.Getpid(), cmd.Process.Pid)
	if err == nil {
		err = k.untilUnused(clients, ended, steps.ended, signals)
	}
	switch {
	case errors.Is(err, errDaemonEnded):
		err = k.explainEnd(fmt.Errorf("%w (%s): read %s", err, cmd.ProcessState, k.path(daemonLog)))
	case errors.Is(err, errRelayEnded):
		err = k.explainEnd(fmt.Errorf("%w (%s): read %s", err, steps.cmd.ProcessState, k.path(relayLog)))
		_ = cmd.Process.Kill() // at once: its steps would wait for a network that does not come back
	}
	end(errors.New("not used any more"))
	<-ended
	return err
}

var (
	errDaemonEnded = errors.New("buildkitd ended by itself")
	errRelayEnded  = errors.New("the network relay of steps ended by itself")
)

// untilUnused returns when the daemon may end: nobody has held a lease for the idle time, and newcomers wait because
// clients is locked now; or a signal came. It returns errDaemonEnded or errRelayEnded when one of them has ended.
func (k keeper) untilUnused(clients *os.File, daemon, relay <-chan struct{}, signals <-chan os.Signal) error {
	tick := time.NewTicker(idlePoll)
	defer tick.Stop()
	used := time.Now()
	for {
		select {
		case <-daemon:
			return errDaemonEnded
		case <-relay:
			return errRelayEnded
		case <-signals:
			return nil
		case <-tick.C:
		}
		// A lock that cannot be had, whatever the reason, is no proof that nobody holds it.
		if free, _ := tryLock(clients, unix.LOCK_EX); !free {
			used = time.Now()
		} else if time.Since(used) >= k.idle {
			return nil
		} else {
			_, _ = tryLock(clients, unix.LOCK_UN)
		}
	}
}

// startDaemon starts the namespaces' init, which becomes buildkitd. The end of ctx terminates it, and kills it after stopLimit.
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
	cmd.Cancel, cmd.WaitDelay = func() error { return cmd.Process.Signal(unix.SIGTERM) }, stopLimit
	cmd.Dir, cmd.Env = "/", withValue(os.Environ(), "TMPDIR", tempMount)
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = log, log, []*os.File{alive, gate}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS, Pdeathsig: unix.SIGKILL}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	// Pdeathsig is set by now. An init whose keeper died before that would live on: it finds the gate closed.
	_, err = open.Write([]byte{1})
	return cmd, err
}

func withValue(environ []string, name, value string) []string {
	others := slices.DeleteFunc(environ, func(entry string) bool { return strings.HasPrefix(entry, name+"=") })
	return append(others, name+"="+value)
}

// Where the daemon's namespace has folders of its own, whatever the host has there.
const (
	tempMount  = "/run/pulumi-buildkit"        // tempFolder: a short path, for steps get Unix sockets in it
	placeMount = "/run/pulumi-buildkit-daemon" // the daemon's folder: see inDaemon
	runcMount  = "/run/runc"                   // runc's list of containers
	cniMount   = "/var/lib/cni"                // libcni's list of networks
)

// becomeDaemon runs as process 1 of its namespaces. It returns only errors.
func (k keeper) becomeDaemon() error {
	gate := os.NewFile(gateFD, "gate")
	if _, err := io.ReadFull(gate, make([]byte, 1)); err != nil {
		return fmt.Errorf("the keeper has ended: %w", err)
	}
	if err := gate.Close(); err != nil {
		return err
	}
	if err := k.mount(); err != nil {
		return err
	}
	return unix.Exec(k.buildkitd, []string{"buildkitd", "--config", k.path(configFile)}, os.Environ())
}

func (k keeper) mount() error {
	temp, err := k.Sub(tempFolder)
	if err != nil {
		return err
	}
	defer func() { _ = temp.Close() }()
	tempFolder, tempPath, err := temp.Handle()
	if err != nil {
		return err
	}
	defer func() { _ = tempFolder.Close() }()
	own, ownPath, err := k.Handle()
	if err != nil {
		return err
	}
	defer func() { _ = own.Close() }()
	for _, folder := range []string{tempMount, placeMount, runcMount, cniMount} {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return err
		}
	}
	const flags = unix.MS_NOSUID | unix.MS_NODEV
	for _, m := range []struct {
		source, target, kind, data string
		flags                      uintptr
	}{
		{source: "proc", target: "/proc", kind: "proc", flags: flags | unix.MS_NOEXEC},
		{source: tempPath, target: tempMount, flags: unix.MS_BIND},
		{source: ownPath, target: placeMount, flags: unix.MS_BIND | unix.MS_REC}, // with the mounts in it
		{source: "tmpfs", target: runcMount, kind: "tmpfs", flags: flags, data: "mode=700"},
		{source: "tmpfs", target: cniMount, kind: "tmpfs", flags: flags, data: "mode=700"},
	} {
		if err := unix.Mount(m.source, m.target, m.kind, m.flags, m.data); err != nil {
			return fmt.Errorf("mount %s on %s: %w; if this is a container, run it with --privileged", m.source, m.target, err)
		}
	}
	return nil
}
