package inputs

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
)

// ignoreFile is the name of the file that leaves things out of a build context.
const ignoreFile = ".dockerignore"

// patternLimit is how many patterns an ignore file may have. Each is a regular expression, and is tried on each path.
const patternLimit = 10_000

// ignorePatterns returns the patterns of a folder's ignore file, which is at path. It returns an *EncodingError, or
// an error that tells what is wrong with a pattern.
func ignorePatterns(ignore []byte, dir, path string) ([]string, error) {
	list, err := ignorefile.ReadAll(bytes.NewReader(ignore))
	if wrong := checkIgnore(ignore, list, path); wrong != nil {
		return nil, wrong
	}
	if err == nil && len(list) > patternLimit {
		err = fmt.Errorf("it has %d patterns: %d are the most. Ignore whole folders", len(list), patternLimit)
	}
	if err == nil {
		_, err = patternmatcher.New(list)
	}
	if err != nil {
		return nil, fmt.Errorf("ignore file of %s: %w", dir, err)
	}
	return list, nil
}

// checkIgnore returns an *EncodingError if BuildKit would understand no pattern of an ignore file, because the file is
// in another encoding. It returns one too if the file has a control character that no daemon takes.
func checkIgnore(ignore []byte, patterns []string, path string) error {
	e := wideEncoding(ignore)
	isNonASCII := func(r rune) bool { return r >= utf8.RuneSelf }
	if e == nil && !strings.ContainsFunc(strings.Join(patterns, ""), isNonASCII) {
		e = findWrongLine(ignore, controlByte)
	}
	if e == nil {
		return nil
	}
	e.File, e.Ignore = path, true
	return e
}

// controlByte returns the first control character within the pattern on a line of an ignore file.
//
// The patterns become a header, and gRPC sends no such character in a header unless one of the patterns is not ASCII
// (encodeStringForHeader in session/filesync of BuildKit).
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

// warnOfPattern returns a warning if a pattern of an ignore file is not UTF-8, "" otherwise. The pattern stays in
// force: it may leave out a file whose name has the same bytes.
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
	return fmt.Sprintf("the ignore file %s: line %d: the byte 0x%02x is not UTF-8, so the pattern leaves out only "+
		"files whose names have the same byte. Save the file as UTF-8", path, found.Line, found.Byte)
}

// ignorePattern returns a line of an ignore file that matches the path. A question mark, which matches any character,
// replaces each character that has a meaning of its own in such a line.
func ignorePattern(path string) string {
	pattern := []rune(path)
	for i, r := range pattern {
		isEdge := i == 0 || i == len(pattern)-1
		switch {
		case strings.ContainsRune(`*?[]^\`, r), r < ' ', r == 0x7f, r == 0xfeff,
			isEdge && unicode.IsSpace(r), i == 0 && strings.ContainsRune("!#", r):
			pattern[i] = '?'
		}
	}
	return string(pattern)
}
