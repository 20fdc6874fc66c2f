package engine

import (
	"bufio"
	"encoding/json"
	"net"
	"strings"
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

// exchange writes a line and decodes the line that the program answers with. It returns a *notStartedError if the line
// is not JSON.
func (g greeting) exchange(line []byte, into any) error {
	if _, err := g.Write(line); err != nil {
		return err
	}
	text, err := g.in.ReadSlice('\n')
	if err != nil {
		return err
	}
	if json.Unmarshal(text, into) != nil {
		return &notStartedError{text: strings.TrimSpace(string(text))}
	}
	return nil
}

// notStartedError says that the engine did not start a program in a container, and what the engine wrote instead.
type notStartedError struct{ text string }

// Error returns what the engine wrote.
func (e *notStartedError) Error() string {
	return "the engine does not start our program there: " + e.text
}
