package provider

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon"
)

// machines are two computers on which the same program runs: each has a daemon with a cache of its own, so that the same
// inputs built on the other give another digest. The first test that builds starts them.
var machines sharedDaemons

type sharedDaemons struct {
	dir    string
	once   sync.Once
	leases []*daemon.Lease
	err    error
}

// endpoints are those of both. Without root nothing is built.
func (m *sharedDaemons) endpoints(t testing.TB) [2]string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("NOT TESTED: the embedded daemon needs root: run the tests as root")
	}
	m.once.Do(m.start)
	if m.err != nil {
		t.Fatal(m.err)
	}
	return [2]string{m.leases[0].Endpoint(), m.leases[1].Endpoint()}
}

func (m *sharedDaemons) start() {
	for _, name := range []string{"one", "other"} {
		lease, err := daemon.Acquire(context.Background(), daemon.Options{Dir: filepath.Join(m.dir, name), Idle: time.Second})
		if err != nil {
			m.err = err
			return
		}
		m.leases = append(m.leases, lease)
	}
}

// end waits until nothing of the daemons runs, and removes the folder around them.
func (m *sharedDaemons) end(around string) error {
	var ending []error
	for i, lease := range m.leases {
		_ = lease.Release()
		ending = append(ending, endDaemon(filepath.Join(m.dir, []string{"one", "other"}[i])))
	}
	return errors.Join(append(ending, os.RemoveAll(around))...)
}

func endDaemon(dir string) error {
	text, err := os.ReadFile(filepath.Join(dir, "pids"))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	var keeper, builder int
	if _, scanned := fmt.Sscan(string(text), &keeper, &builder); err != nil || scanned != nil {
		return errors.Join(err, scanned)
	}
	_ = syscall.Kill(keeper, syscall.SIGTERM)
	tick, limit := time.NewTicker(20*time.Millisecond), time.After(15*time.Second)
	defer tick.Stop()
	for syscall.Kill(builder, 0) == nil || os.RemoveAll(dir) != nil { // the keeper still clears up
		select {
		case <-tick.C:
		case <-limit:
			return fmt.Errorf("the tests' daemon, process %d, has not ended within 15 s", builder)
		}
	}
	return nil
}
