package foreign

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// sequences matches what a terminal carries out without showing a character of it: colors, movements, erasures.
var sequences = regexp.MustCompile("\x1b\\[[0-?]*[ -/]*[@-~]")

// makeVisible spells out or drops everything in s that cannot be seen. The result has only newlines, tabs and
// characters that show as themselves.
func makeVisible(s string) string {
	if isPlain(s) {
		return s
	}
	var b strings.Builder
	for i, line := range strings.Split(s, "\n") {
		if i > 0 {
			b.WriteByte('\n')
		}
		line = strings.TrimRight(sequences.ReplaceAllString(line, ""), "\r")
		spell(&b, line[strings.LastIndexByte(line, '\r')+1:])
	}
	return b.String()
}

// isPlain tells whether s has nothing but printable ASCII, as most texts do.
func isPlain(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < ' ' || c > '~') && c != '\n' && c != '\t' {
			return false
		}
	}
	return true
}

// spell writes a line and spells out what cannot be seen.
func spell(b *strings.Builder, line string) {
	for len(line) > 0 {
		r, size := utf8.DecodeRuneInString(line)
		switch {
		case r == utf8.RuneError && size == 1, r < ' ' && r != '\t', r == '\x7f':
			fmt.Fprintf(b, `\x%02x`, line[0])
		case r == '\t' || isVisible(r):
			b.WriteRune(r)
		case r < 0x10000:
			fmt.Fprintf(b, `\u%04x`, r)
		default:
			fmt.Fprintf(b, `\U%08x`, r)
		}
		line = line[size:]
	}
}

// isVisible returns false for characters that show nothing or change how others show. These are controls, formats such
// as bidirectional overrides and joiners, private characters, and letters and marks that Unicode defines as invisible.
func isVisible(r rune) bool {
	switch {
	case r == '\u034f', r == '\u115f', r == '\u1160', r == '\u17b4', r == '\u17b5', r == '\u3164', r == '\uffa0':
		return false
	case r >= '\u180b' && r <= '\u180f', r >= 0xe0100 && r <= 0xe01ef:
		return false
	}
	return unicode.IsGraphic(r)
}
