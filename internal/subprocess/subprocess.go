// Package subprocess runs programs of others and collects what they print, within bounds.
package subprocess

import (
	"bytes"
	"errors"
	"os/exec"
	"time"
)

// Limit is how many bytes a program may print to stdout. No answer that anybody waits for is longer.
const Limit = 1 << 20

// ErrLimit says that a program printed more than Limit, and was killed.
var ErrLimit = errors.New("it printed more than 1 MiB and was ended")

// complaintLimit is how many bytes of stderr are kept. The rest is dropped: it may be a trace that the user asked for.
const complaintLimit = 64 << 10

// Output runs a program. It returns what the program printed to stdout and the beginning of what it printed to stderr,
// also if it failed. It waits at most a second for a child of the program that holds them open.
//
// The errors are ErrLimit, without the output, or those of exec.Cmd.Run.
func Output(cmd *exec.Cmd) (stdout, stderr []byte, err error) {
	out := &output{cmd: cmd}
	var complaint beginning
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = out, &complaint, time.Second
	err = cmd.Run()
	if out.long {
		return nil, complaint.text, ErrLimit
	}
	return out.text.Bytes(), complaint.text, err
}

// output ends the program when it prints more than Limit.
type output struct {
	cmd  *exec.Cmd
	text bytes.Buffer
	long bool
}

// Write keeps what the program printed. exec.Cmd calls it only while the program runs, so it may use the process.
func (o *output) Write(p []byte) (int, error) {
	if o.text.Len()+len(p) > Limit {
		o.long = true
		_ = o.cmd.Process.Kill() // it has ended, or does now
		return 0, ErrLimit
	}
	return o.text.Write(p)
}

// beginning keeps the first bytes that are written to it.
type beginning struct{ text []byte }

func (b *beginning) Write(p []byte) (int, error) {
	b.text = append(b.text, p[:min(len(p), complaintLimit-len(b.text))]...)
	return len(p), nil
}
