package inputs

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/moby/buildkit/solver/errdefs"
	"github.com/moby/buildkit/solver/pb"
)

// EncodingError says that a text that decides what is built is not UTF-8, or has bytes in it that BuildKit cannot use.
type EncodingError struct {
	File     string // path of the file; "" when the text is no file of this machine
	Ignore   bool   // it is an ignore file
	Line     int    // 0 when it is not known
	Encoding string // the encoding as iconv knows it, such as UTF-16LE; "" when the text is in none that can be told
	Mark     bool   // the text begins with the byte order mark of the encoding
	Byte     byte   // the first byte that is wrong, when Encoding is ""
	Remote   bool   // the text is that of a remote context
}

// withFile adds which file the text of a Dockerfile is from.
func (e *EncodingError) withFile(files Files) *EncodingError {
	if e != nil {
		e.File = files.Dockerfile
	}
	return e
}

func (e *EncodingError) Error() string {
	text := e.fact()
	if e.Line > 0 {
		text = fmt.Sprintf("line %d: %s", e.Line, text)
	}
	switch {
	case e.File != "":
		return e.File + ": " + text
	case e.Remote:
		return "the Dockerfile of the remote context: " + text
	}
	return text
}

func (e *EncodingError) fact() string {
	switch {
	case e.Encoding != "":
		return "the text is " + e.Encoding + ", and BuildKit reads UTF-8"
	case e.Byte >= utf8.RuneSelf:
		return fmt.Sprintf("the byte 0x%02x is not UTF-8, which BuildKit reads: the text is perhaps Latin-1 or Windows-1252", e.Byte)
	case e.Line == 0:
		return "the text is not UTF-8, which BuildKit reads"
	case e.Byte == 0:
		return "it has a NUL byte, which no argument, variable or path can have"
	}
	return fmt.Sprintf("it has the control character 0x%02x, which BuildKit cannot send", e.Byte)
}

// byteOrderMarks are those of other encodings than UTF-8, the longer ones first.
var byteOrderMarks = []struct{ mark, encoding string }{
	{"\xff\xfe\x00\x00", "UTF-32LE"}, {"\x00\x00\xfe\xff", "UTF-32BE"}, {"\xff\xfe", "UTF-16LE"}, {"\xfe\xff", "UTF-16BE"},
}

// markedEncoding returns the encoding of a text that begins with a byte order mark. No UTF-8 begins so; nil is any other text.
func markedEncoding(text []byte) *EncodingError {
	for _, m := range byteOrderMarks {
		if bytes.HasPrefix(text, []byte(m.mark)) {
			return &EncodingError{Line: 1, Encoding: m.encoding, Mark: true}
		}
	}
	return nil
}

// wideEncoding returns the encoding of a text of two or four bytes a character, with a byte order mark or without: where the
// other bytes of most characters are NUL. Nil is any other text.
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

// invalidByte returns the first byte of a line that is not UTF-8, or else a NUL byte.
func invalidByte(line []byte) (wrong byte, found bool) {
	for rest := line; len(rest) > 0; {
		r, size := utf8.DecodeRune(rest)
		if r == utf8.RuneError && size == 1 {
			return rest[0], true
		}
		rest = rest[size:]
	}
	return 0, bytes.IndexByte(line, 0) >= 0
}

// findWrongLine returns an error about the first line of a Dockerfile with a byte that isWrong finds, and about a comment only if
// no other line has one. Nil is a text without.
func findWrongLine(text []byte, isWrong func(line []byte) (byte, bool)) (found *EncodingError) {
	for i, line := range bytes.Split(text, []byte("\n")) {
		wrong, ok := isWrong(line)
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

func nonUTF8Byte(line []byte) (byte, bool) {
	wrong, found := invalidByte(line)
	return wrong, found && wrong != 0
}

func nulByte(line []byte) (byte, bool) { return 0, bytes.IndexByte(line, 0) >= 0 }

// explainSyntax returns an EncodingError if that is why a Dockerfile cannot be parsed, where the parser names a line or 0;
// otherwise err.
func explainSyntax(text []byte, line int, err error) error {
	if wide := wideEncoding(text); wide != nil {
		return wide
	}
	lines := bytes.Split(text, []byte("\n"))
	if line < 1 || line > len(lines) {
		return err
	}
	if wrong, found := invalidByte(lines[line-1]); found {
		return &EncodingError{Line: line, Byte: wrong}
	}
	return err
}

// isUnsendable tells whether a message to a daemon could not be made: the words are those of google.golang.org/protobuf.
func isUnsendable(err error) bool {
	return err != nil && strings.Contains(err.Error(), "contains invalid UTF-8")
}

// encodingErrorOf returns an EncodingError if err, of a run of the frontend on a Dockerfile, comes of the bytes of its text; else
// nil. Most texts that are not UTF-8 build: comments, and what only stands in the image's configuration.
func encodingErrorOf(err error, text []byte) *EncodingError {
	if !isUnsendable(err) || errors.As(err, new(*errdefs.VertexError)) { // a step may say anything
		return nil
	}
	return findWrongLine(text, nonUTF8Byte)
}

// EncodingError returns what the error of a build says of the Dockerfile's bytes, or nil. Check has found it before, unless only the
// daemon has the text.
func (in *Inputs) EncodingError(err error) *EncodingError {
	text := in.Source().Text
	if text != nil {
		return encodingErrorOf(err, text).withFile(in.files)
	}
	for _, src := range errdefs.Sources(err) {
		text = append(text, src.GetInfo().GetData()...)
	}
	found := cmp.Or(wideEncoding(text), encodingErrorOf(err, text))
	if found == nil && text == nil && isUnsendable(err) {
		found = &EncodingError{}
	}
	if found != nil {
		found.Remote = true
	}
	return found
}

// hasNULStep tells whether a definition has a step that no kernel runs: with a NUL byte in an argument, a variable or a path.
func hasNULStep(def *pb.Definition) bool {
	return slices.ContainsFunc(def.GetDef(), func(data []byte) bool {
		var op pb.Op
		if bytes.IndexByte(data, 0) < 0 || op.UnmarshalVT(data) != nil {
			return false
		}
		meta := op.GetExec().GetMeta()
		words := slices.Concat(meta.GetArgs(), meta.GetEnv(), []string{meta.GetCwd()})
		for _, action := range op.GetFile().GetActions() {
			words = append(words, action.GetMkdir().GetPath())
		}
		return slices.ContainsFunc(words, func(word string) bool { return strings.Contains(word, "\x00") })
	})
}
