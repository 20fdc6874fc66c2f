package buildkit

import (
	"bytes"
	"regexp"
	"strings"
	"unicode"
)

// tailWidth bounds a line of output in an error, in bytes: a program may print megabytes without a line break.
const tailWidth = 500

// tail keeps the last lines of a step's output, and no more memory than they need.
type tail struct {
	lines   []string
	partial []byte
}

func (t *tail) write(data []byte) {
	for {
		line, rest, ended := bytes.Cut(data, []byte("\n"))
		t.append(line)
		if !ended {
			return
		}
		t.end()
		data = rest
	}
}

// append adds to the line. A carriage return with more behind it begins the line anew, as at a terminal: what is kept of a
// long progress bar is its end.
func (t *tail) append(more []byte) {
	if len(more) > 0 && bytes.HasSuffix(t.partial, []byte("\r")) {
		t.partial = t.partial[:0]
	}
	if i := bytes.LastIndexByte(bytes.TrimRight(more, "\r"), '\r'); i >= 0 {
		t.partial, more = t.partial[:0], more[i+1:]
	}
	if room := tailWidth*4 - len(t.partial); room > 0 {
		t.partial = append(t.partial, more[:min(room, len(more))]...)
	}
}

func (t *tail) end() {
	if line := clean(string(t.partial)); line != "" {
		t.lines = append(t.lines, line)
		if len(t.lines) > tailLines {
			t.lines = t.lines[1:]
		}
	}
	t.partial = t.partial[:0]
}

// last are the last lines, without blank ones.
func (t *tail) last() []string {
	t.end()
	return t.lines
}

var escapes = regexp.MustCompile("\x1b\\[[0-9;?]*[ -/]*[@-~]|\x1b\\][^\x07]*\x07")

// clean is what a terminal would be left with: no escape sequences, only what follows the last carriage return.
func clean(line string) string {
	line = strings.TrimRight(escapes.ReplaceAllString(line, ""), "\r \t")
	line = line[strings.LastIndexByte(line, '\r')+1:]
	line = strings.ToValidUTF8(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\t' {
			return -1
		}
		return r
	}, line), "�")
	if len(line) > tailWidth {
		line = strings.ToValidUTF8(line[:tailWidth], "") + " …"
	}
	return line
}
