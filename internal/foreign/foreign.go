// Package foreign makes text of others fit to be shown, logged and stored: the text of a registry, a daemon, a step, a
// Dockerfile or a file's name. Such text must not move a terminal's cursor, speak to the Pulumi CLI in its own markup,
// fill a log, or repeat a secret that its author was sent.
//
// Clean a text once, as a whole, where it leaves the provider. A second time changes nothing.
package foreign

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

const (
	// lineLimit and textLimit bound what is returned, in runes of a line and in bytes.
	lineLimit, textLimit = 1000, 32 << 10
	// inputLimit bounds what is looked at, in bytes.
	inputLimit = 64 << 10
)

// Text returns a text of several lines as it may be shown. It takes time in proportion to len(s).
//
//   - It spells out control characters, marks that change the direction of writing, invisible characters and invalid
//     UTF-8, such as \x1b and \u202e.
//   - It drops sequences that color text or move the cursor. Of a line that carriage returns overwrite it keeps the
//     last state.
//   - It puts [secret] in place of secrets in known forms, and <\{% in place of the CLI's markup <{%.
//   - It cuts long lines and long texts, and says by how much.
func Text(s string) string {
	lines := strings.Split(neutralize(s), "\n")
	for i, line := range lines {
		lines[i] = shortLine(line)
	}
	return shortText(lines)
}

// Line returns s as Text does, on one line: a line break becomes a space.
func Line(s string) string { return shortLine(strings.ReplaceAll(neutralize(s), "\n", " ")) }

// neutralize does what Text does, but cuts no lines.
func neutralize(s string) string {
	return strings.ReplaceAll(withoutSecrets(makeVisible(shortInput(s))), "<{%", `<\{%`)
}

// shortInput leaves out the middle of a text that is too long to look at. It cuts between words, because half of a
// token does not look like a token.
func shortInput(s string) string {
	if len(s) <= inputLimit {
		return s
	}
	const space = " \t\r\n"
	head, tail := s[:inputLimit/4*3], s[len(s)-inputLimit/4:]
	head = head[:strings.LastIndexAny(head, space)+1]
	if i := strings.IndexAny(tail, space); i >= 0 {
		tail = tail[i:]
	} else {
		tail = ""
	}
	return fmt.Sprintf("%s\n[cut %d bytes]\n%s", head, len(s)-len(head)-len(tail), tail)
}

// shortLine cuts a long line, but not within [secret].
func shortLine(line string) string {
	if len(line) <= lineLimit {
		return line
	}
	runes := utf8.RuneCountInString(line)
	if runes <= lineLimit {
		return line
	}
	kept := 0
	for range lineLimit - len("… [cut 131072 characters]") {
		_, size := utf8.DecodeRuneInString(line[kept:])
		kept += size
	}
	if i := strings.LastIndexByte(line[:kept], secret[0]); i >= 0 && strings.HasPrefix(secret, line[i:kept]) {
		kept = i
	}
	return fmt.Sprintf("%s… [cut %d characters]", line[:kept], runes-utf8.RuneCountInString(line[:kept]))
}

// shortText joins the lines, and leaves out the middle of a long text: the first lines tell what went wrong, and the
// last lines of an output tell why.
func shortText(lines []string) string {
	if text := strings.Join(lines, "\n"); len(text) <= textLimit {
		return text
	}
	first, last, room := 0, len(lines), textLimit/4*3-len("\n[cut 131072 lines]\n")
	for ; first < last && len(lines[first]) < room; first++ {
		room -= len(lines[first]) + 1
	}
	for room = textLimit / 4; first < last && len(lines[last-1]) < room; last-- {
		room -= len(lines[last-1]) + 1
	}
	cut := fmt.Sprintf("[cut %d lines]", last-first)
	return strings.Join(append(append(lines[:first:first], cut), lines[last:]...), "\n")
}
