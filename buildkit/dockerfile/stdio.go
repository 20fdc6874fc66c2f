package dockerfile

import (
	"io"
	"net"
	"os"
	"time"
)

// stdio is a connection over two pipes.
type stdio struct {
	in       io.ReadCloser
	out      io.WriteCloser
	onOrphan func() // called when the other end is gone; may be nil
}

func (s stdio) Read(p []byte) (int, error) {
	n, err := s.in.Read(p)
	if err != nil && s.onOrphan != nil {
		s.onOrphan()
	}
	return n, err
}

func (s stdio) Write(p []byte) (int, error) { return s.out.Write(p) }

// Close closes both pipes.
func (s stdio) Close() error {
	err := s.out.Close()
	if closed := s.in.Close(); err == nil {
		err = closed
	}
	return err
}

// LocalAddr returns an address that leads nowhere.
func (stdio) LocalAddr() net.Addr { return pipe{} }

// RemoteAddr returns an address that leads nowhere.
func (stdio) RemoteAddr() net.Addr { return pipe{} }

// SetDeadline does nothing: the process at the other end is ended instead.
func (stdio) SetDeadline(time.Time) error { return nil }

// SetReadDeadline does nothing.
func (stdio) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing.
func (stdio) SetWriteDeadline(time.Time) error { return nil }

type pipe struct{}

func (pipe) Network() string { return "pipe" }
func (pipe) String() string  { return "pipe" }

// exitAsOrphan ends the child when its parent is gone: nobody waits for its result.
func exitAsOrphan() { os.Exit(exitOrphan) }
