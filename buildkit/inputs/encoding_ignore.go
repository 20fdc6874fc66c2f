package inputs

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"
)

// checkIgnore returns an EncodingError if an ignore file at path with these patterns is in another encoding, of which BuildKit
// would understand no pattern, or has a control character that no daemon takes.
func checkIgnore(ignore []byte, patterns []string, path string) error {
	e := wideEncoding(ignore)
	if e == nil && !strings.ContainsFunc(strings.Join(patterns, ""), func(r rune) bool { return r >= utf8.RuneSelf }) {
		e = findWrongLine(ignore, controlByte)
	}
	if e == nil {
		return nil
	}
	e.File, e.Ignore = path, true
	return e
}

// controlByte finds a control character within a pattern of an ignore file: gRPC sends none in a header, which the patterns
// become, unless one of them is not ASCII (encodeStringForHeader in session/filesync of BuildKit).
func controlByte(line []byte) (byte, bool) {
	if bytes.HasPrefix(line, []byte("#")) {
		return 0, false
	}
	line = bytes.TrimSpace(bytes.TrimPrefix(bytes.TrimSpace(line), []byte("!")))
	i := bytes.IndexFunc(line, func(r rune) bool { return r < ' ' || r == 0x7f })
	if i < 0 {
		return 0, false
	}
	return line[i], true
}

// warnOfPattern returns a warning if a pattern of an ignore file is not UTF-8, "" otherwise. It stays a pattern: it may leave out a
// file whose name has the same bytes.
func warnOfPattern(ignore []byte, path string) string {
	found := findWrongLine(ignore, func(line []byte) (byte, bool) {
		if bytes.HasPrefix(line, []byte("#")) {
			return 0, false
		}
		return nonUTF8Byte(line)
	})
	if found == nil {
		return ""
	}
	return fmt.Sprintf("the ignore file %s: line %d: the byte 0x%02x is not UTF-8, so the pattern leaves out only files whose names "+
		"have the same byte. Save the file as UTF-8", path, found.Line, found.Byte)
}
