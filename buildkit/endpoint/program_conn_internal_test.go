package endpoint

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// A program that ends says why, and not what Docker's CLI would say of it.
func TestAProgramEnds(t *testing.T) {
	dir := t.TempDir()
	const script = "#!/bin/sh\necho 'Error from server (NotFound): pods \"pod-0\" not found' >&2\nexit 1\n"
	if err := os.WriteFile(filepath.Join(dir, "kubectl"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":/bin:/usr/bin")
	e, err := Parse("kube-pod://pod-0")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := e.dialHelper(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_, err = conn.Read(make([]byte, 1))
	const want = `kubectl ended (exit status 1): Error from server (NotFound): pods "pod-0" not found`
	if err == nil || err.Error() != want || !errors.As(err, new(*ProgramEndError)) {
		t.Errorf("got %v, want %s", err, want)
	}
	if _, err := conn.Write([]byte("preface")); err == nil || err.Error() != want {
		t.Errorf("a write after that: got %v, want %s", err, want)
	}
	if got := newProgramConn(conn, "").explain(io.EOF); got != io.EOF { //nolint:errorlint // unchanged
		t.Errorf("got %v", got)
	}
}

// brokenConn is a connection through a program that has ended. A write fails at once, and a read tells later how it
// ended.
type brokenConn struct {
	net.Conn
	tell chan struct{}
}

func (c brokenConn) Write([]byte) (int, error) { return 0, syscall.EPIPE }
func (c brokenConn) Close() error              { return nil }

func (c brokenConn) Read([]byte) (int, error) {
	<-c.tell
	return 0, errors.New("command [ssh a] has exited with exit status 255, make sure the URL is valid, and Docker " +
		"18.09 or later is installed on the remote host: stderr=no route")
}

// A write that fails first waits for the read that tells why. It waits for no read of a connection that is closed.
func TestAWriteToAProgramThatEnds(t *testing.T) {
	t.Parallel()
	tell := make(chan struct{})
	conn := newProgramConn(brokenConn{tell: tell}, "ssh")
	time.AfterFunc(50*time.Millisecond, func() { close(tell) })
	go func() { _, _ = conn.Read(nil) }()
	if _, err := conn.Write(nil); err == nil || err.Error() != "ssh ended (exit status 255): no route" {
		t.Errorf("got %v", err)
	}
	conn = newProgramConn(brokenConn{}, "ssh")
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if _, err := conn.Write(nil); !errors.Is(err, syscall.EPIPE) || time.Since(began) > endPatience/2 {
		t.Errorf("got %v after %s", err, time.Since(began))
	}
}
