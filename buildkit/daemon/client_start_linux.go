package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
)

// startDaemon starts a keeper, passes it the alive lock and returns when its daemon is ready.
func (c client) startDaemon(ctx context.Context, aliveLock *os.File) error {
	err := errors.Join(checkState(c.daemonFolder), c.giveUpReserveIfFull())
	if err != nil {
		err = folderError(c.Path(), err)
	} else {
		err = c.prepare(ctx)
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

// prepare returns the error of checkMachine. Meanwhile it writes the digests of the programs, so that neither the
// keeper nor this client reads 70 MB once more before the daemon is used. If that fails, the keeper finds out why.
// Programs that are younger than two seconds are read again: see writeDigests.
func (c client) prepare(ctx context.Context) error {
	var digesting sync.WaitGroup
	rescue.GoGroup(&digesting, func(error) {}, func() {
		if programs, err := c.findDigests(); err == nil {
			_ = c.writeDigests(programs)
		}
	})
	defer digesting.Wait()
	return c.checkMachine(ctx)
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
	tick := time.NewTicker(readyPoll)
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
