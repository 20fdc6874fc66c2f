package engine

import (
	"bufio"
	"encoding/json"
	"net"
)

// greetingLimit bounds each line that a program in the container writes before it copies.
const greetingLimit = 64 << 10

// greeting is a connection to a program in the container with which lines of JSON are exchanged first.
type greeting struct {
	net.Conn
	in *bufio.Reader
}

func newGreeting(conn net.Conn) greeting {
	return greeting{Conn: conn, in: bufio.NewReaderSize(conn, greetingLimit)}
}

// Read implements net.Conn. It returns what comes after the lines that were received.
func (g greeting) Read(p []byte) (int, error) { return g.in.Read(p) }

// exchange writes a line and decodes the line that the program answers with.
func (g greeting) exchange(line []byte, into any) error {
	if _, err := g.Write(line); err != nil {
		return err
	}
	text, err := g.in.ReadSlice('\n')
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}
