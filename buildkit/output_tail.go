package buildkit

import (
	"bytes"
	"regexp"
	"strings"
)

// maxLineBytes bounds a line of output that is kept, in bytes: a program may print megabytes without a line break. Who shows the
// line may cut it further.
const maxLineBytes = 2000

// outputTail keeps the last lines of a step's output, and no more memory than they need.
type outputTail struct {
	lines   []string
	partial []byte
}

func (t *outputTail) write(data []byte) {
	for {
		line, rest, ended := bytes.Cut(data, []byte("\n"))
		t.append(line)
		if !ended {
			return
		}
		t.endLine()
		data = rest
	}
}

// append adds to the line. A carriage return with more behind it begins the line anew, as at a terminal: what is kept of a
// long progress bar is its end.
func (t *outputTail) append(more []byte) {
	if len(more) > 0 && bytes.HasSuffix(t.partial, []byte("\r")) {
		t.partial = t.partial[:0]
	}
	if i := bytes.LastIndexByte(bytes.TrimRight(more, "\r"), '\r'); i >= 0 {
		t.partial, more = t.partial[:0], more[i+1:]
	}
	if room := maxLineBytes - len(t.partial); room > 0 {
		t.partial = append(t.partial, more[:min(room, len(more))]...)
	}
}

func (t *outputTail) endLine() {
	line := clean(string(t.partial))
	if len(t.partial) == maxLineBytes { // half of its last word, were that a token, would not be known as one
		line = line[:strings.LastIndexAny(line, " \t")+1] + "…"
	}
	if line != "" {
		t.lines = append(t.lines, line)
		if len(t.lines) > maxOutputLines {
			t.lines = t.lines[1:]
		}
	}
	t.partial = t.partial[:0]
}

// lastLines are the last lines, without blank ones.
func (t *outputTail) lastLines() []string {
	t.endLine()
	return t.lines
}

var escapes = regexp.MustCompile("\x1b\\[[0-?]*[ -/]*[@-~]")

// clean returns what a terminal would be left with: no colors and movements, only what follows the last carriage return. What
// else is in the line is for whoever shows it to judge.
func clean(line string) string {
	line = strings.TrimRight(escapes.ReplaceAllString(line, ""), "\r \t")
	return line[strings.LastIndexByte(line, '\r')+1:]
}
