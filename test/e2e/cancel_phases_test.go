//go:build linux

package e2e

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// whileHashing returns an update that reads a file for minutes. The file is sparse, so it takes no space.
func whileHashing(t *testing.T) *phase {
	registry := registrytest.New(t)
	return &phase{
		properties: "context: { location: . }\ntags: [\"" + registry.Host() + "/app:1\"]",
		registry:   registry,
		makeFiles: func(t *testing.T, dir string) {
			file, err := os.Create(filepath.Join(dir, "sparse"))
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			if err := file.Truncate(400 << 30); err != nil {
				t.Fatal(err)
			}
		},
		want: "it was reading the build context DIR",
		reached: func(s *stack.Test) bool {
			return slices.ContainsFunc(s.Plugins(),
				func(p stack.Proc) bool { return p.HasOpen(filepath.Join(s.Dir, "sparse")) })
		},
	}
}

// whileDialing returns an update that waits for a daemon. The daemon accepts the connection and says nothing.
func whileDialing(t *testing.T) *phase {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	taken := make(chan struct{})
	go func() {
		for once := sync.OnceFunc(func() { close(taken) }); ; once() {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = conn.Close() })
		}
	}()
	return &phase{
		properties: "context: { location: . }\ntags: [\"REPO:1\"]\nbuilder: { endpoint: \"tcp://" +
			listener.Addr().String() + "\" }",
		reached: isClosed(taken),
		want: "it was waiting for the BuildKit daemon at tcp://" + listener.Addr().String() + " to answer for [^;]*; " +
			"nothing was pushed and no tag moved",
	}
}

// whileSending returns an update that sends its context to a daemon. The daemon receives no more than a megabyte.
func whileSending(t *testing.T) *phase {
	_, endpoint := buildkitd(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	stalled := make(chan struct{})
	stall := sync.OnceFunc(func() { close(stalled) })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go relay(conn, strings.TrimPrefix(endpoint, "tcp://"), stall)
		}
	}()
	return &phase{
		properties: "context: { location: . }\ntags: [\"REPO:1\"]\nbuilder: { endpoint: \"tcp://" +
			listener.Addr().String() + "\" }",
		makeFiles: func(t *testing.T, dir string) {
			if err := os.WriteFile(filepath.Join(dir, "big"), make([]byte, 8<<20), 0o600); err != nil {
				t.Fatal(err)
			}
		},
		reached: isClosed(stalled),
		want: `it was [^;]*sending DIR to the builder \([0-9.]+[kKM]?i?B arrived\) for [^;]*; ` +
			"nothing was pushed and no tag moved",
	}
}

// relay passes everything back, and a megabyte forward. Then it stalls until one end closes.
func relay(from net.Conn, address string, stall func()) {
	defer from.Close()
	to, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	defer to.Close()
	go func() {
		if n, _ := io.CopyN(to, from, 1<<20); n == 1<<20 {
			stall()
		}
	}()
	_, _ = io.Copy(from, to)
}

// isClosedFor returns a function that tells whether the channel is closed. The function returns true only when least
// has passed since its first call that found the channel closed.
func isClosedFor(c <-chan struct{}, least time.Duration) func(*stack.Test) bool {
	closed := isClosed(c)
	var seen time.Time
	return func(s *stack.Test) bool {
		if seen.IsZero() && closed(s) {
			seen = time.Now()
		}
		return !seen.IsZero() && time.Since(seen) >= least
	}
}

// isClosed returns a function that tells whether the channel is closed.
func isClosed(c <-chan struct{}) func(*stack.Test) bool {
	return func(*stack.Test) bool {
		select {
		case <-c:
			return true
		default:
			return false
		}
	}
}
