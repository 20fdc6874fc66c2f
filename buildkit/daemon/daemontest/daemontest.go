// Package daemontest gives the tests of a package their own folders and daemons.
package daemontest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon"
)

// Daemon is an embedded daemon with its own cache, which the tests of a package share. The first test that asks for the
// endpoint starts the daemon.
type Daemon struct {
	Dir string // set by Main

	once  sync.Once
	lease *daemon.Lease
	err   error
}

// SkipWithoutDaemon skips the test with -short, and without root.
func SkipWithoutDaemon(t testing.TB) {
	t.Helper()
	if testing.Short() {
		t.Skip("NOT TESTED: -short leaves out what needs a daemon")
	}
	if os.Geteuid() != 0 {
		t.Skip("NOT TESTED: the embedded daemon needs root: run the tests as root")
	}
}

// Endpoint starts the daemon and returns where it listens. It skips the test as SkipWithoutDaemon does.
func (d *Daemon) Endpoint(t testing.TB) string {
	t.Helper()
	SkipWithoutDaemon(t)
	d.once.Do(func() {
		d.lease, d.err = daemon.Acquire(context.Background(), daemon.Options{Dir: d.Dir, Idle: time.Second})
	})
	if d.err != nil {
		t.Fatal(d.err)
	}
	return d.lease.Endpoint()
}

// stop stops the daemon, and waits up to a minute until nothing of it is left.
func (d *Daemon) stop() error {
	if d.lease == nil {
		return nil
	}
	_ = d.lease.Release()
	text, err := os.ReadFile(filepath.Join(d.Dir, "pids"))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	var keeper, builder int
	if _, scanned := fmt.Sscan(string(text), &keeper, &builder); err != nil || scanned != nil {
		return errors.Join(err, scanned)
	}
	terminate(keeper)
	tick, limit := time.NewTicker(20*time.Millisecond), time.After(time.Minute)
	defer tick.Stop()
	for isRunning(builder) || os.RemoveAll(d.Dir) != nil { // the keeper still removes leftovers
		select {
		case <-tick.C:
		case <-limit:
			return fmt.Errorf("the tests' daemon, process %d, has not stopped within a minute", builder)
		}
	}
	return nil
}

// Main runs the tests of a package and returns the exit code. TestMain calls it. It puts bin/ on PATH. All that the
// tests write, caches included, goes into one folder. Main stops the daemons and removes that folder afterwards.
//
// The last daemon is the one that code uses if it names no folder. Main does not return if this process is the keeper
// of a daemon.
func Main(m *testing.M, daemons ...*Daemon) int {
	if handled, code := daemon.RunRole(os.Args[1:]); handled {
		os.Exit(code)
	}
	code, err := run(m, daemons)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

func run(m *testing.M, daemons []*Daemon) (code int, err error) {
	root, err := Root()
	if err != nil {
		return 1, err
	}
	dir, err := os.MkdirTemp("", "pulumi-buildkit-test-")
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	for i, d := range daemons {
		d.Dir = filepath.Join(dir, "daemon"+strconv.Itoa(i))
		if err := os.Setenv("PULUMI_BUILDKIT_DAEMON_DIR", d.Dir); err != nil {
			return 1, err
		}
		defer func() { err = errors.Join(err, d.stop()) }()
	}
	if err := os.Setenv("PATH", filepath.Join(root, "bin")+":"+os.Getenv("PATH")); err != nil {
		return 1, err
	}
	if err := os.Setenv("XDG_CACHE_HOME", filepath.Join(dir, "cache")); err != nil {
		return 1, err
	}
	return m.Run(), nil
}

// Root returns the folder of this module.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("no go.mod in this folder or above: run the tests in their package")
		}
		dir = filepath.Dir(dir)
	}
}
