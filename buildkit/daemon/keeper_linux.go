package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/network"
)

const (
	keeperName = "daemon-keeper" // argument 1 of the keeper
	initName   = "daemon-init"   // of the daemon until it is buildkitd

	idlePoll  = 200 * time.Millisecond
	stopLimit = 5 * time.Second // what a daemon has to end by itself before it is killed

	aliveFD = 3 // the alive lock, in the keeper and in the daemon
	gateFD  = 4 // in the init: one byte says that the keeper lives
)

// RunKeeper is the body of the keeper process and of the namespace's init; main calls it first thing with the arguments after
// the program's name, and exits with exitCode when they were handled.
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
	k, err := parseKeeper(args)
	if err != nil {
		return err
	}
	if args[0] == initName {
		return k.becomeDaemon()
	}
	// The daemon's Pdeathsig comes when the thread that started it ends, and a thread of Go's may.
	runtime.LockOSThread()
	return k.keep()
}

// keeper is what the keeper and the init know, and a client that starts one or looks for its daemon.
type keeper struct {
	place
	idle      time.Duration
	buildkitd string
	runc      string
	network   string // the program that is the CNI plugin and the relay
}

// newKeeper returns the keeper that a client would start.
func newKeeper(p place, idle time.Duration) (keeper, error) {
	buildkitd, err := findBinary("buildkitd")
	if err != nil {
		return keeper{}, err
	}
	runc, err := findBinary("runc")
	if err != nil {
		return keeper{}, err
	}
	steps, err := findBinary(network.Program)
	return keeper{place: p, idle: idle, buildkitd: buildkitd, runc: runc, network: steps}, err
}

// arguments are those of its processes.
func (k keeper) arguments(role string) []string {
	return []string{role, k.Path(), k.idle.String(), k.buildkitd, k.runc, k.network}
}

func parseKeeper(args []string) (keeper, error) {
	if len(args) != 6 {
		return keeper{}, errors.New("this is a part of the plugin, which starts it itself")
	}
	idle, err := time.ParseDuration(args[2])
	if err != nil {
		return keeper{}, err
	}
	p, err := openPlace(context.Background(), args[1])
	return keeper{place: p, idle: idle, buildkitd: args[3], runc: args[4], network: args[5]}, err
}

// note writes a line that the client that started this keeper passes to Options.Log.
func note(format string, values ...any) {
	_, _ = fmt.Fprintln(os.Stderr, strings.ReplaceAll(fmt.Sprintf(format, values...), "\n", "; "))
}

// keep runs a daemon until it ends, until nobody has held a lease for the idle time, or until a signal. It leaves nothing.
func (k keeper) keep() error {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGTERM, unix.SIGINT, unix.SIGHUP)
	alive, err := k.inheritedLock()
	if err != nil {
		return err
	}
	// Slave, not private: what the host unmounts, goes here too, while nothing of ours gets out.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
		return fmt.Errorf("a mount namespace of its own: %w", err)
	}
	if err := errors.Join(k.writePIDs(os.Getpid(), 0), k.Remove(endFile), k.clear()); err != nil {
		return err
	}
	foreign := emulate(note)
	defer foreign.leave(note)
	if err := k.writeConfig(); err != nil {
		return err
	}
	steps, err := k.startNetwork()
	if err != nil {
		return errors.Join(fmt.Errorf("the network of steps: %w", err), k.clear())
	}
	err = k.runDaemon(alive, signals, steps)
	steps.stop()
	return errors.Join(err, k.clear())
}

// inheritedLock is the alive lock that the client took and passed on.
func (k keeper) inheritedLock() (*os.File, error) {
	unix.CloseOnExec(aliveFD)
	alive := os.NewFile(aliveFD, k.path(aliveLock))
	passed, err := alive.Stat()
	if err != nil {
		return nil, fmt.Errorf("file descriptor %d is to be the lock %s: %w; this is a part of the plugin, which starts it itself",
			aliveFD, k.path(aliveLock), err)
	}
	named, err := k.Lstat(aliveLock)
	if err != nil || !os.SameFile(passed, named) {
		return nil, errors.Join(fmt.Errorf("file descriptor %d is not the lock %s", aliveFD, k.path(aliveLock)), err)
	}
	return alive, nil
}
