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
	// The roles of a process of this program: argument 1 says which it has.
	keeperName = "daemon-keeper"
	initName   = "daemon-init"  // becomes the daemon
	probeName  = "daemon-probe" // tries a user namespace
	checkName  = "daemon-check" // checks a database

	idlePoll  = 200 * time.Millisecond // how often the keeper looks whether somebody holds a lease
	stopLimit = 5 * time.Second        // how long a daemon may take to stop before it is killed

	aliveFD = 3 // the file descriptor of the alive lock, in the keeper and in the daemon
	gateFD  = 4 // in the init: the keeper writes one byte when Pdeathsig protects the init
)

// stopSignals ask a keeper to stop.
var stopSignals = []os.Signal{unix.SIGTERM, unix.SIGINT, unix.SIGHUP}

// IsRole reports whether RunRole plays a role for args.
func IsRole(args []string) bool {
	return len(args) > 0 && slices.Contains([]string{keeperName, initName, probeName, checkName}, args[0])
}

// RunRole plays one of four roles if args ask for it: the keeper, the init that becomes the daemon, the probe of a user
// namespace, or the check of a database. main calls it before anything else with the arguments after the program's
// name. If handled is true, main exits with exitCode.
func RunRole(args []string) (handled bool, exitCode int) {
	if !IsRole(args) {
		return false, 0
	}
	err := runProcess(args)
	if err != nil {
		if damage, ok := errors.AsType[*damageError](err); ok {
			_, _ = fmt.Fprintln(os.Stdout, damage)
			return true, damagedExit
		}
		_, _ = fmt.Fprintln(os.Stdout, args[0]+": "+err.Error()) // stdout is a log file, not the plugin's
		return true, 1
	}
	return true, 0
}

func runProcess(args []string) error {
	switch {
	case args[0] == probeName:
		return probeNamespace()
	case args[0] == checkName && len(args) == 2:
		return checkDatabase(args[1])
	}
	s, err := parseSetup(args)
	if err != nil {
		return err
	}
	if args[0] == initName {
		return becomeDaemon(s)
	}
	// A parent-death signal comes when the thread ends that started the process. So this thread must not end.
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
	aliveLock, err := receiveLock(s.daemonFolder)
	if err != nil {
		return err
	}
	k := keeper{setup: s, log: slog.New(slog.DiscardHandler)}
	// On a full disk the daemon can still start: the keeper does without this log.
	if log, err := s.Create(debugLog); err == nil {
		defer func() { _ = log.Close() }()
		k.log = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	k.log.Debug("keeper started", "process", os.Getpid(), "idle", s.idle)
	err = k.keep(aliveLock)
	k.log.Debug("keeper exits", "error", err)
	return err
}

// note writes a line that the client that started this keeper passes to Options.Note.
func note(format string, values ...any) {
	_, _ = fmt.Fprintln(os.Stdout, strings.ReplaceAll(fmt.Sprintf(format, values...), "\n", "; "))
}

// keep runs a daemon until it exits, until nobody has held a lease for the idle time, or until a signal comes. It
// leaves nothing behind. The daemon holds aliveLock as well.
func (k keeper) keep(aliveLock *os.File) error {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, stopSignals...)
	// Slave, not private: what the machine unmounts is unmounted here too. No mount of ours gets out.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
		return fmt.Errorf("the mount namespace of the keeper: %w", err)
	}
	if err := errors.Join(k.writePIDs(os.Getpid(), 0), k.Remove(exitReasonFile), removeLeftovers(k.setup)); err != nil {
		return err
	}
	if err := k.chooseSnapshotter(); err != nil {
		return err
	}
	if k.isSuspect() {
		if _, err := k.repairState(signals); err != nil {
			return err
		}
	}
	if err := k.Write(runningFile, nil); err != nil {
		return err
	}
	defer k.startRemoval()()
	if err := k.makeReserve(); err != nil {
		k.log.Debug("no reserve made", "reason", err)
	}
	handlers := registerEmulators(k.mode, k.note)
	defer handlers.release(k.note)
	if err := k.writeConfig(); err != nil {
		return err
	}
	err := k.keepWithNetwork(aliveLock, signals)
	if err == nil {
		err = k.Remove(runningFile)
	}
	return errors.Join(err, removeLeftovers(k.setup))
}

// keepWithNetwork runs a daemon and the network of its steps. If the daemon exits before it answers, because its state
// is damaged, keepWithNetwork repairs the state and runs another daemon.
func (k keeper) keepWithNetwork(aliveLock *os.File, signals <-chan os.Signal) error {
	stepRelay, err := stepNetwork(k).start()
	if err != nil {
		return fmt.Errorf("the network of steps: %w", err)
	}
	defer stepRelay.stop()
	err = k.runDaemon(aliveLock, signals, stepRelay)
	if !errors.Is(err, errDaemonExited) || !k.isAwaited() {
		return err
	}
	// Clients see the check by the missing PID of the daemon: see isBeingChecked.
	if errWrite := k.writePIDs(os.Getpid(), 0); errWrite != nil {
		return errors.Join(err, errWrite)
	}
	repaired, errRepair := k.repairState(signals)
	if errRepair != nil || !repaired {
		return errors.Join(err, errRepair)
	}
	if err := errors.Join(k.Remove(exitReasonFile), emptyTempFolder(k.daemonFolder)); err != nil {
		return err
	}
	defer k.startRemoval()()
	return k.runDaemon(aliveLock, signals, stepRelay)
}

// note writes a line for the client, and into the debug log.
func (k keeper) note(format string, values ...any) {
	note(format, values...)
	k.log.Debug("note for the client", "text", fmt.Sprintf(format, values...))
}

// receiveLock returns the alive lock that the client took and passed on.
func receiveLock(f daemonFolder) (*os.File, error) {
	unix.CloseOnExec(aliveFD)
	aliveLock := os.NewFile(aliveFD, f.path(aliveLockFile))
	passed, err := aliveLock.Stat()
	if err != nil {
		return nil, fmt.Errorf("file descriptor %d must be the lock %s: %w; "+
			"only the plugin starts this process", aliveFD, f.path(aliveLockFile), err)
	}
	named, err := f.Lstat(aliveLockFile)
	if err != nil || !os.SameFile(passed, named) {
		err = errors.Join(fmt.Errorf("file descriptor %d is not the lock %s", aliveFD, f.path(aliveLockFile)), err)
		return nil, err
	}
	return aliveLock, nil
}
