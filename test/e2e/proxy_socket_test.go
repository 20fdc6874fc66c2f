//go:build linux

package e2e

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
)

// dialer makes a connection.
type dialer = func(context.Context) (net.Conn, error)

// startProxy listens on a socket until the end of the test, and joins each connection to one that dial makes. It
// returns the path of the socket.
func startProxy(t testing.TB, dial dialer) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "proxy-") //nolint:usetesting // short: the path of a socket has 107 bytes
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	listener, err := net.Listen("unix", socket)
	must(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for conn, err := listener.Accept(); err == nil; conn, err = listener.Accept() {
			go join(t.Context(), conn, dial)
		}
	}()
	return socket
}

// join copies both ways until one side ends.
func join(ctx context.Context, conn net.Conn, dial dialer) {
	defer func() { _ = conn.Close() }()
	other, err := dial(ctx)
	if err != nil {
		return
	}
	defer func() { _ = other.Close() }()
	go func() {
		defer func() { _ = other.Close() }()
		_, _ = io.Copy(other, conn)
	}()
	_, _ = io.Copy(conn, other)
}
