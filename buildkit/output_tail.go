package buildkit

import (
	"bytes"
	"regexp"
	"strings"
)

const (
	// maxOutputLines is how many lines of a step's output are kept for its failure.
	maxOutputLines = 20
	// maxLineBytes bounds a kept line, because a program may print megabytes without a line break. Whoever shows the
	// line may cut it further.
	maxLineBytes = 2000
)

// outputTail keeps the last lines of a step's output. It needs no more memory than these lines.
type outputTail struct {
	lines   []string
	partial []byte
}

// write adds data to the output.
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

// append adds to the current line. A carriage return with text after it starts the line again, as on a terminal. Of a
// long progress bar the end is kept.
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

// endLine ends the current line and keeps it unless it is blank.
func (t *outputTail) endLine() {
	line := clean(string(t.partial))
	if len(t.partial) == maxLineBytes {
		// The last word may be half of a token, which redaction would not find.
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

// lastLines returns the last lines that are not blank.
func (t *outputTail) lastLines() []string {
	t.endLine()
	return t.lines
}

// escapes matches the sequences by which a program colors text and moves the cursor.
var escapes = regexp.MustCompile("\x1b\\[[0-?]*[ -/]*[@-~]")

// clean returns what a terminal would still show of a line: no colors and movements, and only the text after the last
// carriage return. Other control characters stay for the code that shows the line.
func clean(line string) string {
	line = strings.TrimRight(escapes.ReplaceAllString(line, ""), "\r \t")
	return line[strings.LastIndexByte(line, '\r')+1:]
}
