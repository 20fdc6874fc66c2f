package dockerfile

import (
	"fmt"
	"strings"
)

// BudgetError says that a Dockerfile takes more memory or time than the frontend may have.
type BudgetError struct {
	Name     string // of the Dockerfile
	Line     int    // of the instruction that takes the most; 0 when that is not known
	Text     string // of that instruction, cut
	Resource string // "256 MiB of memory" or "20s of CPU time"
	Bases    bool   // true when the Dockerfile alone is harmless: what its base images add is not
}

func (e *BudgetError) Error() string {
	const remedy = "Shorten it: a variable that is appended to itself doubles or grows with each line"
	switch {
	case e.Bases:
		return fmt.Sprintf("%s: the Dockerfile frontend needs more than %s with what the base images add (ONBUILD, "+
			"ENV). Use another base image",
			e.Name, e.Resource)
	case e.Line == 0:
		return fmt.Sprintf("%s: the Dockerfile frontend needs more than %s for it. %s", e.Name, e.Resource, remedy)
	}
	return fmt.Sprintf("%s: line %d (%q): the Dockerfile frontend needs more than %s, most of it for this line. %s",
		e.Name, e.Line, e.Text, e.Resource, remedy)
}

// SizeError says that a Dockerfile is too long to be parsed.
type SizeError struct {
	Name         string // of the Dockerfile
	Bytes, Lines int
}

func (e *SizeError) Error() string {
	return fmt.Sprintf("%s: the Dockerfile has %d bytes in %d lines: %d bytes in %d lines are the most. Move inline "+
		"files into the build context",
		e.Name, e.Bytes, e.Lines, sizeLimit, lineLimit)
}

// CrashError says that the process in which the frontend ran ended without a result.
type CrashError struct {
	Name   string // of the Dockerfile
	Reason string // exit status or signal, and the first line that it wrote to stderr
}

func (e *CrashError) Error() string {
	return fmt.Sprintf("%s: the process of the Dockerfile frontend ended without a result: %s. Simplify the "+
		"Dockerfile, and report it as a bug",
		e.Name, e.Reason)
}

// shorten returns the beginning of a text.
func shorten(text string) string {
	const shown = 60
	text = strings.ToValidUTF8(text, "?")
	if runes := []rune(text[:min(len(text), 4*shown)]); len(runes) > shown {
		return string(runes[:shown]) + "…"
	}
	return text
}
