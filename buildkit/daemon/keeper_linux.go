package daemon

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	keeperName = "daemon-keeper" // argument 1 of the keeper
	initName   = "daemon-init"   // of the daemon until it is buildkitd
	probeName  = "daemon-probe"  // of a process that tries a user namespace

	idlePoll  = 200 * time.Millisecond
	stopLimit = 5 * time.Second // what a daemon has to end by itself before it is killed

	aliveFD = 3 // the alive lock, in the keeper and in the daemon
	gateFD  = 4 // in the init: one byte says that the keeper lives
)

// RunKeeper runs the keeper process or the init of the daemon's namespaces, if args ask for one. main calls it before
// anything else with the arguments after the program's name. If handled is true, main exits with exitCode.
func RunKeeper(args []string) (handled bool, exitCode int) {
	if len(args) == 0 || !slices.Contains([]string{keeperName, initName, probeName}, args[0]) {
		return false, 0
	}
	err := runRole(args)
	if err != nil {
		_, _ = fmt.Fprintln(os.Stdout, args[0]+": "+err.Error()) // a log, not the plugin's
		return true, 1
	}
	return true, 0
}

func runRole(args []string) error {
	if args[0] == probeName {
		return probeNamespace()
	}
	s, err := parseSetup(args)
	if err != nil {
		return err
	}
	if args[0] == initName {
		return becomeDaemon(s)
	}
	// The thread that started a process with a parent-death signal has to live as long.
	runtime.LockOSThread()
	return keepDaemon(s)
}

// keeper is the process that starts and ends the daemon of a folder.
type keeper struct {
	setup
	log *slog.Logger // of level Debug, to the file debug.log
}

// keepDaemon runs a keeper.
func keepDaemon(s setup) error {
	alive, err := receiveLock(s.daemonFolder)
	if err != nil {
		return err
	}
	k := keeper{setup: s, log: slog.New(slog.DiscardHandler)}
	// On a full disk the daemon may still start: it does without this log.
	if log, err := s.Create(debugLog); err == nil {
		defer func() { _ = log.Close() }()
		k.log = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	k.log.Debug("keeper started", "process", os.Getpid(), "idle", s.idle)
	err = k.keep(alive)
	k.log.Debug("keeper ends", "error", err)
	return err
}

// note writes a line that the client that started this keeper passes to Options.Note.
func note(format string, values ...any) {
	_, _ = fmt.Fprintln(os.Stdout, strings.ReplaceAll(fmt.Sprintf(format, values...), "\n", "; "))
}

// keep runs a daemon until it ends, until nobody has held a lease for the idle time, or until a signal. It leaves
// nothing behind. alive is the lock that the daemon holds as well.
func (k keeper) keep(alive *os.File) error {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGTERM, unix.SIGINT, unix.SIGHUP)
	// Slave, not private: what the host unmounts, goes here too, while nothing of ours gets out.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
		return fmt.Errorf("a mount namespace of its own: %w", err)
	}
	if err := errors.Join(k.writePIDs(os.Getpid(), 0), k.Remove(endFile), removeLeftovers(k.setup)); err != nil {
		return err
	}
	foreign := emulate(k.mode, k.note)
	defer foreign.release(k.note)
	if err := k.chooseSnapshotter(); err != nil {
		return err
	}
	if err := k.writeConfig(); err != nil {
		return err
	}
	steps, err := stepNetwork(k).start()
	if err != nil {
		return errors.Join(fmt.Errorf("the network of steps: %w", err), removeLeftovers(k.setup))
	}
	err = k.runDaemon(alive, signals, steps)
	steps.stop()
	return errors.Join(err, removeLeftovers(k.setup))
}

// note writes a line for the client, and into the debug log.
func (k keeper) note(format string, values ...any) {
	note(format, values...)
	k.log.Debug("note for the client", "text", fmt.Sprintf(format, values...))
}

// receiveLock returns the alive lock that the client took and passed on.
func receiveLock(f daemonFolder) (*os.File, error) {
	unix.CloseOnExec(aliveFD)
	alive := os.NewFile(aliveFD, f.path(aliveLock))
	passed, err := alive.Stat()
	if err != nil {
		return nil, fmt.Errorf("file descriptor %d is to be the lock %s: %w; "+
			"this is a part of the plugin, which starts it itself", aliveFD, f.path(aliveLock), err)
	}
	named, err := f.Lstat(aliveLock)
	if err != nil || !os.SameFile(passed, named) {
		return nil, errors.Join(fmt.Errorf("file descriptor %d is not the lock %s", aliveFD, f.path(aliveLock)), err)
	}
	return alive, nil
}
