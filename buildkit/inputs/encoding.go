package inputs

import (
	"bytes"
	"unicode/utf8"
)

// byteOrderMarks are those of other encodings than UTF-8, the longer ones first.
var byteOrderMarks = []struct{ mark, encoding string }{
	{"\xff\xfe\x00\x00", "UTF-32LE"}, {"\x00\x00\xfe\xff", "UTF-32BE"},
	{"\xff\xfe", "UTF-16LE"}, {"\xfe\xff", "UTF-16BE"},
}

// markedEncoding returns an error with the encoding of a text that begins with a byte order mark, nil for any other
// text. No text in UTF-8 begins with such bytes.
func markedEncoding(text []byte) *EncodingError {
	for _, m := range byteOrderMarks {
		if bytes.HasPrefix(text, []byte(m.mark)) {
			return &EncodingError{Line: 1, Encoding: m.encoding, Mark: true}
		}
	}
	return nil
}

// wideEncoding returns an error with the encoding of a text of two or four bytes a character, nil for any other text.
// Without a byte order mark it knows such a text by this: the other bytes of most characters are NUL.
func wideEncoding(text []byte) *EncodingError {
	if marked := markedEncoding(text); marked != nil {
		return marked
	}
	var at [4]int // NUL bytes by their place in a character of four bytes
	for i, c := range text {
		if c == 0 {
			at[i%4]++
		}
	}
	units := len(text) / 4
	switch {
	case units == 0:
		return nil
	case at[0] == 0 && at[1] >= units/2 && at[2] >= units && at[3] >= units:
		return &EncodingError{Line: 1, Encoding: "UTF-32LE"}
	case at[3] == 0 && at[2] >= units/2 && at[1] >= units && at[0] >= units:
		return &EncodingError{Line: 1, Encoding: "UTF-32BE"}
	case at[0]+at[2] == 0 && at[1]+at[3] >= units:
		return &EncodingError{Line: 1, Encoding: "UTF-16LE"}
	case at[1]+at[3] == 0 && at[0]+at[2] >= units:
		return &EncodingError{Line: 1, Encoding: "UTF-16BE"}
	}
	return nil
}

// findWrongLine returns an error about the first line of a Dockerfile in which find finds a byte, nil if there is none.
// It names a comment only if no other line has such a byte.
func findWrongLine(text []byte, find func(line []byte) (byte, bool)) (found *EncodingError) {
	for i, line := range bytes.Split(text, []byte("\n")) {
		wrong, ok := find(line)
		if !ok {
			continue
		}
		e := &EncodingError{Line: i + 1, Byte: wrong}
		if !bytes.HasPrefix(bytes.TrimSpace(line), []byte("#")) {
			return e
		}
		if found == nil {
			found = e
		}
	}
	return found
}

// invalidByte returns the first byte of a line that is not UTF-8, or else a NUL byte.
func invalidByte(line []byte) (byte, bool) {
	if wrong, ok := nonUTF8Byte(line); ok {
		return wrong, true
	}
	return nulByte(line)
}

// nonUTF8Byte returns the first byte of a line that is not UTF-8.
func nonUTF8Byte(line []byte) (byte, bool) {
	for rest := line; len(rest) > 0; {
		r, size := utf8.DecodeRune(rest)
		if r == utf8.RuneError && size == 1 {
			return rest[0], true
		}
		rest = rest[size:]
	}
	return 0, false
}

// nulByte returns a NUL byte if a line has one.
func nulByte(line []byte) (byte, bool) { return 0, bytes.IndexByte(line, 0) >= 0 }
