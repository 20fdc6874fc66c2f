package endpoint

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"
)

// ProgramEndError says that the program that connects to a daemon ended.
type ProgramEndError struct {
	Program string
	Outcome string // such as "exit status 1"
	Said    string // the last lines on its standard error; "" if it said nothing
}

// Error names the program and what it said.
func (e *ProgramEndError) Error() string {
	text := fmt.Sprintf("%s ended (%s)", e.Program, e.Outcome)
	if e.Said != "" {
		text += ": " + e.Said
	}
	return text
}

// endPatience is how long a failed write waits until a read tells how the program ended.
const endPatience = time.Second

// programConn is a connection through a program of this machine.
//
// Docker's code tells only one read how the program ended. A write may fail before that read returns, because the pipe
// is broken or closed by then, and gRPC reports the first of both errors.
type programConn struct {
	net.Conn
	program string
	closed  chan struct{} // closed by Close
	ended   chan struct{} // closed when end is known
	once    sync.Once     // of closed
	onceEnd sync.Once
	end     *ProgramEndError
}

func newProgramConn(conn net.Conn, program string) *programConn {
	return &programConn{Conn: conn, program: program, closed: make(chan struct{}), ended: make(chan struct{})}
}

// Read implements net.Conn. It returns a *ProgramEndError if the program has failed.
func (c *programConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	return n, c.explain(err)
}

// Write implements net.Conn. It returns a *ProgramEndError if the program has failed.
func (c *programConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	err = c.explain(err)
	if !errors.Is(err, os.ErrClosed) && !errors.Is(err, syscall.EPIPE) {
		return n, err
	}
	select {
	case <-c.ended:
		err = c.end
	case <-c.closed:
	case <-time.After(endPatience):
	}
	return n, err
}

// Close implements net.Conn.
func (c *programConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

// programEnd matches the error of a connection whose program has failed. Its remedy is about Docker, also if the
// program is another one (cli/connhelper/commandconn of Docker's CLI).
var programEnd = regexp.MustCompile(
	`(?s)^command \[.*\] has exited with (.*?), make sure the URL is valid, and Docker [0-9.]+ or later is installed ` +
		`on the remote host: stderr=(.*)$`)

// explain returns a *ProgramEndError for the error of a connection whose program has failed, and else err.
func (c *programConn) explain(err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return err
	}
	m := programEnd.FindStringSubmatch(err.Error())
	if m == nil {
		return err
	}
	end := &ProgramEndError{Program: c.program, Outcome: m[1], Said: strings.Join(strings.Fields(m[2]), " ")}
	c.onceEnd.Do(func() {
		c.end = end
		close(c.ended)
	})
	return end
}
