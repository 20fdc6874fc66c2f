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
	seat, err := openAndLock(ctx, c.daemonFolder, clientsLock, unix.LOCK_SH)
	if err != nil {
		return nil, err
	}
	reply, err := ask(ctx, c.setup)
	if err != nil || reply != same {
		c.log(ctx, "daemon not joined", "reason", reply.String())
		return nil, errors.Join(err, seat.Close())
	}
	c.logWithPIDs(ctx, "daemon joined")
	return newLease(c, seat)
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

// joinOrStart returns a lease on a daemon that somebody else has started meanwhile, or on a new one. The caller holds
// the start lock.
func (c client) joinOrStart(ctx context.Context) (*Lease, error) {
	seat, err := openAndLock(ctx, c.daemonFolder, clientsLock, unix.LOCK_SH)
	if err != nil {
		return nil, err
	}
	alive, err := c.replaceEarlier(ctx, seat)
	if err == nil {
		err = lockWhenFree(ctx, seat, unix.LOCK_SH) // replaceEarlier made it exclusive if it ended a daemon
	}
	if err == nil && alive != nil {
		err = c.launch(ctx, alive)
	}
	if err != nil {
		return nil, errors.Join(err, seat.Close())
	}
	return newLease(c, seat)
}

// replaceEarlier waits until nothing is left of an earlier keeper and daemon. It returns the alive lock, which it holds
// then.
//
// It returns nil if meanwhile a daemon answers that has the version and configuration that this client wants: then
// nothing is to be started. It ends a daemon of another version or configuration. It kills one that has not answered
// for a third of Options.Limit. It does neither while other clients hold leases.
func (c client) replaceEarlier(ctx context.Context, seat *os.File) (*os.File, error) {
	alive, err := openLock(c.daemonFolder, aliveLock)
	if err != nil {
		return nil, err
	}
	tick := time.NewTicker(startPoll)
	defer tick.Stop()
	earlier := earlierDaemon{client: c, seat: seat, killAt: time.Now().Add(c.options.Limit / 3)}
	for {
		free, err := tryLock(alive, unix.LOCK_EX)
		if free {
			return alive, nil
		}
		joins := false
		if err == nil {
			joins, err = earlier.joinOrEnd(ctx)
		}
		if joins {
			c.logWithPIDs(ctx, "daemon joined", "reason", "another client started it meanwhile")
			return nil, alive.Close()
		}
		if err == nil && ctx.Err() != nil {
			err = fmt.Errorf("waiting for an earlier daemon to end: %w", context.Cause(ctx))
		}
		if err != nil {
			return nil, errors.Join(err, alive.Close())
		}
		<-tick.C
	}
}

// launch starts a keeper, passes it the alive lock and returns when its daemon is ready.
func (c client) launch(ctx context.Context, alive *os.File) error {
	err := checkState(c.daemonFolder)
	if err != nil {
		err = folderError(c.Path(), err)
	} else {
		err = c.checkMachine(ctx)
	}
	if err != nil {
		return errors.Join(err, alive.Close())
	}
	logPrograms(ctx, c.setup, c.options.Log)
	begun := time.Now()
	_ = c.Remove(daemonLog) // or an error of this daemon would show the log of an earlier one
	ended, err := c.startKeeper(ctx, alive)
	if err := errors.Join(err, alive.Close()); err != nil { // from here on the keeper alone holds the lock
		return err
	}
	if err := c.waitUntilReady(ctx, ended); err != nil {
		return err
	}
	c.logWithPIDs(ctx, "daemon started", "took", time.Since(begun), "mode", string(c.mode),
		"snapshotter", readSnapshotter(c.daemonFolder), "idle", c.idle)
	for line := range strings.Lines(c.logTail(keeperLog)) {
		c.options.Note(strings.TrimSpace(line))
	}
	c.options.Note("started the embedded BuildKit daemon in " + c.Path())
	return nil
}

// startKeeper starts a keeper and returns a channel that is closed when the keeper has ended. The keeper outlives this
// process as a rule.
func (c client) startKeeper(ctx context.Context, alive *os.File) (<-chan struct{}, error) {
	log, err := c.Create(keeperLog)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	command := c.keeperCommand(c.arguments(keeperName)...)
	cmd := exec.CommandContext(context.WithoutCancel(ctx), command[0], command[1:]...)
	cmd.Dir, cmd.Env = "/", filterEnviron(os.Environ())
	// The keeper must not inherit the plugin's stdout and stderr: the Pulumi engine waits until all writers close
	// them.
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = log, log, []*os.File{alive}
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
	ended := make(chan struct{})
	// This goroutine waits for the keeper, which would stay a zombie otherwise. It ends with the keeper or with this
	// process.
	rescue.Go(func(error) {}, func() {
		defer close(ended)
		_ = cmd.Wait()
	})
	return ended, nil
}

// keeperCommand returns the command line of a process of this program in the namespaces of a keeper, except for the
// mount namespace of a rootful one.
func (c client) keeperCommand(arguments ...string) []string {
	var command []string
	if c.mode == rootless {
		command = namespaceArguments(c.rootlesskit)
	}
	return append(append(command, c.options.Keeper...), arguments...)
}

// waitUntilReady returns when the daemon answers. The error has the end of the logs.
func (c client) waitUntilReady(ctx context.Context, ended <-chan struct{}) error {
	tick := time.NewTicker(startPoll)
	defer tick.Stop()
	for {
		switch reply, err := ask(ctx, c.setup); {
		case err != nil:
			return startError(c.daemonFolder, err)
		case reply == same:
			return nil
		case reply == another:
			// The configuration begins with the digests of the programs. It differs if they were replaced since the
			// keeper wrote it.
			return startError(c.daemonFolder, newError(ProgramsReplaced, "", "its programs were replaced meanwhile"))
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return startError(c.daemonFolder, context.Cause(ctx))
		case <-ended:
			return startError(c.daemonFolder, errors.New("its keeper ended before the daemon was ready"))
		}
	}
}

// startError returns the error of a daemon that did not start, with the end of the logs.
func startError(f daemonFolder, cause error) error {
	err := fmt.Errorf("the embedded BuildKit daemon in %s did not start: %w", f.Path(), cause)
	for _, log := range []string{namespaceLog, keeperLog, daemonLog} {
		if text := f.logTail(log); text != "" {
			err = fmt.Errorf("%w\n%s ends with:\n%s", err, f.path(log), text)
		}
	}
	return err
}
