package faults_test

import (
	"context"
	"crypto/rand"
	"errors"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/tonistiigi/fsutil"

	"github.com/pulumi-buildkit/pulumi-buildkit/test/faults"
)

// newProxy returns a proxy in front of the shared daemon, and the address that it listens on.
func newProxy(t *testing.T, network string, actions map[string]func()) (*faults.Daemon, string) {
	t.Helper()
	upstream := strings.TrimPrefix(shared.Endpoint(t), "unix://")
	at := "127.0.0.1:0"
	if network == "unix" {
		at = filepath.Join(t.TempDir(), "p.sock")
	}
	listener, err := net.Listen(network, at)
	if err != nil {
		t.Fatal(err)
	}
	d := faults.NewDaemon(listener, upstream, actions)
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d, network + "://" + listener.Addr().String()
}

// contextOf returns a folder with a Dockerfile and a file of random bytes.
func contextOf(t *testing.T, size int) string {
	t.Helper()
	folder, content := t.TempDir(), make([]byte, size)
	_, _ = rand.Read(content)
	for name, data := range map[string][]byte{
		"Dockerfile": []byte("FROM scratch\nCOPY random /\n"), "random": content,
	} {
		if err := os.WriteFile(filepath.Join(folder, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// build builds the folder for two platforms on the daemon at an address.
func build(ctx context.Context, address, folder string) error {
	c, err := client.New(ctx, address)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	files, err := fsutil.NewFS(folder)
	if err != nil {
		return err
	}
	_, err = c.Solve(ctx, nil, client.SolveOpt{
		Frontend: "dockerfile.v0", FrontendAttrs: map[string]string{"platform": "linux/amd64,linux/arm64"},
		LocalMounts: map[string]fsutil.FS{"context": files, "dockerfile": files},
	}, nil)
	return err
}

// within is a context for a build that may hang.
func within(t *testing.T, limit time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(t.Context(), limit, errLimit)
	t.Cleanup(cancel)
	return ctx
}

var errLimit = errors.New("the build did not end in time")

//nolint:paralleltest // it compares times
func TestProxyForwardsBuilds(t *testing.T) {
	const size = 20 << 20
	direct := "unix://" + strings.TrimPrefix(shared.Endpoint(t), "unix://")
	for _, network := range []string{"unix", "tcp"} {
		d, address := newProxy(t, network, nil)
		times := map[string]time.Duration{}
		for _, way := range []string{direct, address} {
			folder := contextOf(t, size)
			started := time.Now()
			if err := build(t.Context(), way, folder); err != nil {
				t.Fatal(err)
			}
			times[way] = time.Since(started)
		}
		t.Logf("%s: %d messages, %s instead of %s", network, d.Count(), times[address], times[direct])
		if times[address] > 4*times[direct]+5*time.Second {
			t.Errorf("%s: %s through the proxy, %s without", network, times[address], times[direct])
		}
		for _, call := range []string{
			"/moby.buildkit.v1.Control/Solve to the daemon", "/moby.buildkit.v1.Control/Solve from the daemon",
			"/moby.buildkit.v1.Control/Session to the daemon", "/moby.buildkit.v1.Control/Session from the daemon",
		} {
			if !slices.ContainsFunc(d.Events(), func(event string) bool { return strings.HasPrefix(event, call) }) {
				t.Errorf("%s: no message of %s in %q", network, call, d.Events())
			}
		}
		if d.Hit() != "" {
			t.Errorf("%s: a fault without Arm: %s", network, d.Hit())
		}
	}
}

//nolint:paralleltest // it counts goroutines
func TestFaultsOfADaemon(t *testing.T) {
	_ = shared.Endpoint(t)
	before := runtime.NumGoroutine()
	for _, network := range []string{"unix", "tcp"} {
		t.Run(network, func(t *testing.T) { testFaultsOfADaemon(t, network) })
	}
	limit := time.After(10 * time.Second)
	for runtime.NumGoroutine() > before {
		select {
		case <-limit:
			stacks := make([]byte, 1<<20)
			t.Fatalf("%d goroutines before, now:\n%s", before, stacks[:runtime.Stack(stacks, true)])
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func testFaultsOfADaemon(t *testing.T, network string) {
	actions := 0
	d, address := newProxy(t, network, map[string]func(){"action": func() { actions++ }})
	if err := build(t.Context(), address, contextOf(t, 100_000)); err != nil {
		t.Fatal(err)
	}
	solve := slices.IndexFunc(d.Events(), func(e string) bool { return strings.Contains(e, "Control/Solve") }) + 1
	for _, fault := range d.Faults() {
		d.Arm(solve, fault)
		limit := time.Minute
		if strings.HasPrefix(fault, "freeze") {
			limit = 2 * time.Second
		}
		err := build(within(t, limit), address, contextOf(t, 100_000))
		hit := d.Hit()
		if (err == nil) != (fault == "action") {
			t.Errorf("%s: %v", hit, err)
		}
		if !strings.HasPrefix(hit, fault+" at /moby.buildkit.v1.Control/") {
			t.Errorf("%s at message %d hit %q", fault, solve, hit)
		}
		if fault == faults.FreezeAll {
			d.Reset()
			hit = ""
		}
		if err := build(within(t, time.Minute), address, contextOf(t, 100_000)); err != nil {
			t.Errorf("the build after %q at %q: %v", fault, hit, err)
		}
		if d.Hit() != hit {
			t.Errorf("a second fault: %q, then %q", hit, d.Hit())
		}
	}
	if actions != 1 {
		t.Errorf("the action happened %d times", actions)
	}
	d.Arm(1_000_000, faults.CloseConnection)
	if err := build(within(t, time.Minute), address, contextOf(t, 100_000)); err != nil || d.Hit() != "" {
		t.Errorf("a build with fewer messages: %v, %q", err, d.Hit())
	}
}
