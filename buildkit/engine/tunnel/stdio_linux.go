package tunnel

import (
	"io"
	"net"
	"time"
)

// stdio is the connection over standard input and output.
type stdio struct {
	in      io.Reader
	out     io.Writer
	onEnded func(error) // called when the input ends
}

// Read implements net.Conn.
func (s stdio) Read(p []byte) (int, error) {
	n, err := s.in.Read(p)
	if err != nil {
		s.onEnded(err)
	}
	return n, err
}

// Write implements net.Conn.
func (s stdio) Write(p []byte) (int, error) { return s.out.Write(p) }

// Close implements net.Conn. Input and output belong to the process, which ends now.
func (s stdio) Close() error { s.onEnded(net.ErrClosed); return nil }

// LocalAddr implements net.Conn.
func (stdio) LocalAddr() net.Addr { return noAddr{} }

// RemoteAddr implements net.Conn.
func (stdio) RemoteAddr() net.Addr { return noAddr{} }

// SetDeadline does nothing: the other side ends the process.
func (stdio) SetDeadline(time.Time) error { return nil }

// SetReadDeadline does nothing.
func (stdio) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing.
func (stdio) SetWriteDeadline(time.Time) error { return nil }
