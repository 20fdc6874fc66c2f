package daemon

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	keeperName = "daemon-keeper" // argument 1 of the keeper
	initName   = "daemon-init"   // of the daemon until it is buildkitd

	idlePoll  = 200 * time.Millisecond
	stopLimit = 5 * time.Second // what a daemon has to end by itself before it is killed

	aliveFD = 3 // the alive lock, in the keeper and in the daemon
	gateFD  = 4 // in the init: one byte says that the keeper lives
)

// RunKeeper runs the keeper process or the init of the daemon's namespaces, if args ask for one. main calls it before
// anything else with the arguments after the program's name. If handled is true, main exits with exitCode.
func RunKeeper(args []string) (handled bool, exitCode int) {
	if len(args) == 0 || args[0] != keeperName && args[0] != initName {
		return false, 0
	}
	err := runRole(args)
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, args[0]+": "+err.Error()) // a log, not the plugin's
		return true, 1
	}
	return true, 0
}

func runRole(args []string) error {
	s, err := parseSetup(args)
	if err != nil {
		return err
	}
	if args[0] == initName {
		return becomeDaemon(s)
	}
	// The thread that started a process with a parent-death signal has to live as long.
	runtime.LockOSThread()
	return keeper{s}.keep()
}

// keeper is the process that starts and ends the daemon of a folder.
type keeper struct{ setup }

// note writes a line that the client that started this keeper passes to Options.Note.
func note(format string, values ...any) {
	_, _ = fmt.Fprintln(os.Stderr, strings.ReplaceAll(fmt.Sprintf(format, values...), "\n", "; "))
}

// keep runs a daemon until it ends, until nobody has held a lease for the idle time, or until a signal. It leaves
// nothing behind.
func (k keeper) keep() error {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGTERM, unix.SIGINT, unix.SIGHUP)
	alive, err := k.receiveLock()
	if err != nil {
		return err
	}
	// Slave, not private: what the host unmounts, goes here too, while nothing of ours gets out.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
		return fmt.Errorf("a mount namespace of its own: %w", err)
	}
	if err := errors.Join(k.writePIDs(os.Getpid(), 0), k.Remove(endFile), clearFolder(k.daemonFolder)); err != nil {
		return err
	}
	foreign := emulate(note)
	defer foreign.release(note)
	if err := k.writeConfig(); err != nil {
		return err
	}
	steps, err := stepNetwork(k).start()
	if err != nil {
		return errors.Join(fmt.Errorf("the network of steps: %w", err), clearFolder(k.daemonFolder))
	}
	err = k.runDaemon(alive, signals, steps)
	steps.stop()
	return errors.Join(err, clearFolder(k.daemonFolder))
}

// receiveLock returns the alive lock that the client took and passed on.
func (k keeper) receiveLock() (*os.File, error) {
	unix.CloseOnExec(aliveFD)
	alive := os.NewFile(aliveFD, k.path(aliveLock))
	passed, err := alive.Stat()
	if err != nil {
		return nil, fmt.Errorf("file descriptor %d is to be the lock %s: %w; this is a part of the plugin, which starts "+
			"it itself", aliveFD, k.path(aliveLock), err)
	}
	named, err := k.Lstat(aliveLock)
	if err != nil || !os.SameFile(passed, named) {
		return nil, errors.Join(fmt.Errorf("file descriptor %d is not the lock %s", aliveFD, k.path(aliveLock)), err)
	}
	return alive, nil
}
