package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
)

// startPoll is how often a client looks whether a daemon has started or ended. A start takes about 0.2 s.
const startPoll = 20 * time.Millisecond

// client is this process, which wants a lease on the daemon of a folder.
type client struct {
	setup
	options Options
}

// join returns a lease if a daemon answers now that has the version and configuration that this client wants. Otherwise
// it returns nil.
func (c client) join(ctx context.Context) (*Lease, error) {
	if !hasSocket(c.daemonFolder) {
		c.log(ctx, "daemon not joined", "reason", "nothing listens")
		return nil, nil
	}
	// Take the shared lock before asking: a keeper ends an idle daemon only under the exclusive lock, so a daemon that
	// answers stays.
	clientsLock, err := openAndLock(ctx, c.daemonFolder, clientsLockFile, unix.LOCK_SH)
	if err != nil {
		return nil, err
	}
	answer, err := compareDaemon(ctx, c.setup)
	if err != nil || answer != wantedDaemon {
		c.log(ctx, "daemon not joined", "reason", answer.String())
		return nil, errors.Join(err, clientsLock.Close())
	}
	c.logWithPIDs(ctx, "daemon joined")
	return newLease(c, clientsLock)
}

// log writes a record about the daemon of the folder.
func (c client) log(ctx context.Context, message string, pairs ...any) {
	c.options.Log.With("folder", c.Path()).DebugContext(ctx, message, pairs...)
}

// logWithPIDs writes a record with the processes of the daemon.
func (c client) logWithPIDs(ctx context.Context, message string, pairs ...any) {
	keeper, daemon, _ := c.pids() // 0 where nobody knows
	c.log(ctx, message, append([]any{"keeper", keeper, "daemon", daemon}, pairs...)...)
}

// joinOrStart returns a lease on the daemon. It starts the daemon unless another client did while this one waited for
// the start lock, which the caller holds.
func (c client) joinOrStart(ctx context.Context) (*Lease, error) {
	clientsLock, err := openAndLock(ctx, c.daemonFolder, clientsLockFile, unix.LOCK_SH)
	if err != nil {
		return nil, err
	}
	aliveLock, err := c.replaceEarlier(ctx, clientsLock)
	if err == nil {
		err = lockWhenFree(ctx, clientsLock, unix.LOCK_SH) // replaceEarlier made it exclusive if it stopped a daemon
	}
	if err == nil && aliveLock != nil {
		err = c.startDaemon(ctx, aliveLock)
	}
	if err != nil {
		return nil, errors.Join(err, clientsLock.Close())
	}
	return newLease(c, clientsLock)
}

// replaceEarlier waits until nothing is left of an earlier keeper and daemon. It returns the alive lock, which it holds
// then.
//
// It returns nil if the daemon that this client wants answers meanwhile: then nothing is to be started. It stops a
// daemon of another version or configuration. It kills a daemon that has not answered for a third of Options.Limit. It
// does neither while other clients hold leases.
func (c client) replaceEarlier(ctx context.Context, clientsLock *os.File) (*os.File, error) {
	aliveLock, err := openLock(c.daemonFolder, aliveLockFile)
	if err != nil {
		return nil, err
	}
	tick := time.NewTicker(startPoll)
	defer tick.Stop()
	earlier := earlierDaemon{client: c, clientsLock: clientsLock, killAt: time.Now().Add(c.options.Limit / 3)}
	for {
		free, err := tryLock(aliveLock, unix.LOCK_EX)
		if free {
			return aliveLock, nil
		}
		canJoin := false
		if err == nil {
			canJoin, err = earlier.joinOrStop(ctx)
		}
		if canJoin {
			c.logWithPIDs(ctx, "daemon joined", "reason", "another client started it meanwhile")
			return nil, aliveLock.Close()
		}
		if err == nil && ctx.Err() != nil {
			err = fmt.Errorf("waiting for an earlier daemon to stop: %w", context.Cause(ctx))
		}
		if err != nil {
			return nil, errors.Join(err, aliveLock.Close())
		}
		<-tick.C
	}
}

// startDaemon starts a keeper, passes it the alive lock and returns when its daemon is ready.
func (c client) startDaemon(ctx context.Context, aliveLock *os.File) error {
	err := errors.Join(checkState(c.daemonFolder), c.giveUpReserveIfFull())
	if err != nil {
		err = folderError(c.Path(), err)
	} else {
		err = c.checkMachine(ctx)
	}
	if err != nil {
		return errors.Join(err, aliveLock.Close())
	}
	logPrograms(ctx, c.setup, c.options.Log)
	begun := time.Now()
	_ = c.Remove(daemonLog) // or an error of this daemon would show the log of an earlier one
	exited, err := c.startKeeper(ctx, aliveLock)
	if err := errors.Join(err, aliveLock.Close()); err != nil { // from here on the keeper alone holds the lock
		return err
	}
	if err := c.waitUntilReady(ctx, exited); err != nil {
		return err
	}
	c.logWithPIDs(ctx, "daemon started", "took", time.Since(begun), "mode", string(c.mode),
		"snapshotter", readSnapshotter(c.daemonFolder), "idle", c.idle)
	c.passNotes()
	c.options.Note("started the embedded BuildKit daemon in " + c.Path())
	return nil
}

// passNotes passes the lines of the keeper to the user.
func (c client) passNotes() {
	for line := range strings.Lines(c.logTail(keeperLog)) {
		line = strings.TrimSpace(line)
		if warning, ok := strings.CutPrefix(line, warningPrefix); ok {
			c.options.Warn(warning)
		} else {
			c.options.Note(line)
		}
	}
}

// startKeeper starts a keeper and returns a channel that is closed when the keeper exits. The keeper usually outlives
// this process.
func (c client) startKeeper(ctx context.Context, aliveLock *os.File) (<-chan struct{}, error) {
	log, err := c.Create(keeperLog)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	command, err := c.keeperCommand(c.arguments(keeperName)...)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(context.WithoutCancel(ctx), command[0], command[1:]...)
	cmd.Dir, cmd.Env = "/", keepInherited(os.Environ())
	// The keeper must not inherit the plugin's stdout and stderr: the Pulumi engine waits until all writers close
	// them.
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = log, log, []*os.File{aliveLock}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Cloneflags: syscall.CLONE_NEWNS}
	if c.mode == rootless {
		namespaces, err := c.Create(namespaceLog) // rootlesskit's own words are no notes for the user
		if err != nil {
			return nil, err
		}
		defer func() { _ = namespaces.Close() }()
		cmd.Stderr, cmd.SysProcAttr.Cloneflags = namespaces, 0 // rootlesskit makes the namespaces
		cmd.Env = passLock(cmd.Env)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("the keeper of the embedded BuildKit daemon: %w", err)
	}
	exited := make(chan struct{})
	// This goroutine reaps the keeper, which would be a zombie otherwise. It ends with the keeper or with this process.
	rescue.Go(func(error) {}, func() {
		defer close(exited)
		_ = cmd.Wait()
	})
	return exited, nil
}

// keeperCommand returns the command line of a process that runs this program in the namespaces of a keeper. The mount
// namespace of a rootful keeper is not part of it: the caller asks for that one with CLONE_NEWNS. keeperCommand makes
// the temporary folder of a rootless keeper.
func (c client) keeperCommand(arguments ...string) ([]string, error) {
	var command []string
	if c.mode == rootless {
		temp, err := c.makeNamespaceFolder()
		if err != nil {
			return nil, fmt.Errorf("a temporary folder for rootlesskit: %w", err)
		}
		command = namespaceArguments(c.rootlesskit, temp)
	}
	return append(append(command, c.options.Keeper...), arguments...), nil
}

// waitUntilReady returns when the daemon answers. It returns an error with the last lines of the logs if the keeper
// exits first.
func (c client) waitUntilReady(ctx context.Context, exited <-chan struct{}) error {
	tick := time.NewTicker(startPoll)
	defer tick.Stop()
	for {
		switch answer, err := compareDaemon(ctx, c.setup); {
		case err != nil:
			return startError(c.daemonFolder, err)
		case answer == wantedDaemon || answer == damagedDaemon:
			// Another client may have met damage already. The build of this one meets it too, and looks for a daemon
			// again.
			return nil
		case answer == otherDaemon:
			// The configuration begins with the digests of the programs. It differs if they were replaced since the
			// keeper wrote it.
			return startError(c.daemonFolder, newError(ProgramsReplaced, "", "its programs were replaced meanwhile"))
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return startError(c.daemonFolder, context.Cause(ctx))
		case <-exited:
			return startError(c.daemonFolder, errors.New("its keeper ended before the daemon was ready"))
		}
	}
}

// startError returns the error of a daemon that did not start, with the last lines of the logs.
func startError(f daemonFolder, cause error) error {
	err := fmt.Errorf("the embedded BuildKit daemon in %s did not start: %w", f.Path(), cause)
	for _, name := range []string{namespaceLog, keeperLog, daemonLog} {
		if text := f.logTail(name); text != "" {
			err = fmt.Errorf("%w\n%s ends with:\n%s", err, f.path(name), text)
		}
	}
	return err
}
