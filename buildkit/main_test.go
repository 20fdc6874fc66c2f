package buildkit_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/moby/buildkit/client"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon"
)

func TestMain(m *testing.M) {
	if handled, code := daemon.RunKeeper(os.Args[1:]); handled {
		os.Exit(code)
	}
	flag.Parse()
	if handled, code := runOrdinaryUser(flag.Args()); handled {
		os.Exit(code)
	}
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// run keeps what the tests write, caches included, in one folder, and ends their daemon.
func run(m *testing.M) (code int, err error) {
	bin, err := filepath.Abs("../bin")
	if err != nil {
		return 1, err
	}
	dir, err := os.MkdirTemp("", "buildkit-test-")
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, shared.end(dir)) }()
	shared.dir = filepath.Join(dir, "daemon")
	if err := os.Setenv("PATH", bin+":"+os.Getenv("PATH")); err != nil {
		return 1, err
	}
	if err := os.Setenv("XDG_CACHE_HOME", filepath.Join(dir, "cache")); err != nil {
		return 1, err
	}
	return m.Run(), nil
}

// shared is the one daemon of the tests in this package, started by the first that needs it.
var shared sharedDaemon

type sharedDaemon struct {
	dir   string
	once  sync.Once
	lease *daemon.Lease
	c     *client.Client
	err   error
}

// daemonClient is connected to the tests' daemon. Without root nothing of it is tested.
func daemonClient(t testing.TB) *client.Client {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("NOT TESTED: the embedded daemon needs root: run the tests as root")
	}
	shared.once.Do(shared.start)
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.c
}

func (s *sharedDaemon) start() {
	if s.lease, s.err = daemon.Acquire(context.Background(), daemon.Options{Dir: s.dir, Idle: time.Second}); s.err == nil {
		s.c, s.err = buildkit.Dial(context.Background(), s.lease.Endpoint())
	}
}

// end waits until nothing of the daemon runs, and removes the folder around it.
func (s *sharedDaemon) end(around string) error {
	if s.lease == nil {
		return os.RemoveAll(around)
	}
	if s.c != nil {
		_ = s.c.Close()
	}
	_ = s.lease.Release()
	text, err := os.ReadFile(filepath.Join(s.dir, "pids"))
	if errors.Is(err, os.ErrNotExist) {
		return os.RemoveAll(around)
	}
	var keeper, builder int
	if _, scanned := fmt.Sscan(string(text), &keeper, &builder); err != nil || scanned != nil {
		return errors.Join(err, scanned)
	}
	_ = syscall.Kill(keeper, syscall.SIGTERM)
	tick, limit := time.NewTicker(20*time.Millisecond), time.After(time.Minute)
	defer tick.Stop()
	for syscall.Kill(builder, 0) == nil || os.RemoveAll(around) != nil { // the keeper still clears up
		select {
		case <-tick.C:
		case <-limit:
			return fmt.Errorf("the tests' daemon, process %d, has not ended within a minute", builder)
		}
	}
	return nil
}
