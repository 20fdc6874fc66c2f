//go:build linux

package main

import (
	"fmt"
	"io"
	"os"
	"strings"
)

// terminal prints headlines, commands and notes. It uses color if a person reads them.
type terminal struct {
	io.Writer
	colored bool
}

// newTerminal returns a terminal with color if file is a terminal and NO_COLOR is not set.
func newTerminal(file *os.File) terminal {
	info, err := file.Stat()
	return terminal{Writer: file, colored: err == nil && info.Mode()&os.ModeCharDevice != 0 &&
		os.Getenv("NO_COLOR") == ""}
}

func (t terminal) headline(text string) {
	t.writeStyled("1", "\n── "+text+" "+strings.Repeat("─", max(0, 76-len([]rune(text))))+"\n")
}

func (t terminal) command(text string) { t.writeStyled("36", "\n$ "+text+"\n") }

func (t terminal) note(format string, args ...any) {
	t.writeStyled("2", fmt.Sprintf(format, args...)+"\n")
}

// check prints a fact that the demo has verified.
func (t terminal) check(format string, args ...any) {
	t.writeStyled("32", "✓ ")
	t.writeStyled("0", fmt.Sprintf(format, args...)+"\n")
}

// color returns the value of the CLI's option --color.
func (t terminal) color() string {
	if t.colored {
		return "always"
	}
	return "never"
}

// writeStyled prints text with an ANSI code, if there is color.
func (t terminal) writeStyled(code, text string) {
	if t.colored {
		text = "\x1b[" + code + "m" + text + "\x1b[0m"
	}
	_, _ = io.WriteString(t, text) // an error means that nobody reads the output
}
