//go:build linux

package main

import (
	"fmt"
	"io"
	"os"
	"strings"
)

// terminal prints headlines, commands and notes, in color where a person reads.
type terminal struct {
	io.Writer
	colored bool
}

// newTerminal colors what goes to a terminal, unless NO_COLOR is set.
func newTerminal(file *os.File) terminal {
	info, err := file.Stat()
	return terminal{Writer: file, colored: err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("NO_COLOR") == ""}
}

func (t terminal) headline(text string) {
	t.writeStyled("1", "\n── "+text+" "+strings.Repeat("─", max(0, 76-len([]rune(text))))+"\n")
}

func (t terminal) command(text string) { t.writeStyled("36", "\n$ "+text+"\n") }

func (t terminal) note(format string, args ...any) {
	t.writeStyled("2", fmt.Sprintf(format, args...)+"\n")
}

// check prints a fact that was seen to hold.
func (t terminal) check(format string, args ...any) {
	t.writeStyled("32", "✓ ")
	t.writeStyled("0", fmt.Sprintf(format, args...)+"\n")
}

// color is pulumi's option.
func (t terminal) color() string {
	if t.colored {
		return "always"
	}
	return "never"
}

func (t terminal) writeStyled(code, text string) {
	if t.colored {
		text = "\x1b[" + code + "m" + text + "\x1b[0m"
	}
	_, _ = io.WriteString(t, text) // nobody reads any more: nothing to tell, nobody to tell it to
}
