package endpoint

import (
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"
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

// programConn is a connection through a program of this machine.
type programConn struct {
	net.Conn
	program string
}

// Read implements net.Conn. It returns a *ProgramEndError if the program has failed.
func (c programConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	return n, c.explain(err)
}

// Write implements net.Conn. It returns a *ProgramEndError if the program has failed.
func (c programConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	return n, c.explain(err)
}

// programEnd matches the error of a connection whose program has failed. Its remedy is about Docker, also if the
// program is another one (cli/connhelper/commandconn of Docker's CLI).
var programEnd = regexp.MustCompile(
	`(?s)^command \[.*\] has exited with (.*?), make sure the URL is valid, and Docker [0-9.]+ or later is installed ` +
		`on the remote host: stderr=(.*)$`)

func (c programConn) explain(err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return err
	}
	m := programEnd.FindStringSubmatch(err.Error())
	if m == nil {
		return err
	}
	return &ProgramEndError{Program: c.program, Outcome: m[1], Said: strings.Join(strings.Fields(m[2]), " ")}
}
