package inputs

import (
	"bytes"
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
	Encoding string // the encoding as iconv knows it, such as UTF-16LE; "" when it is none that can be told
	Mark     bool   // the text begins with the byte order mark of the encoding
	Byte     byte   // the first byte that is wrong, when Encoding is ""
	Remote   bool   // the text is that of a remote context
}

// withFile adds the path of the Dockerfile of files to the error, which may be nil.
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

// fact returns what is wrong with the text, without the file and the line.
func (e *EncodingError) fact() string {
	switch {
	case e.Encoding != "":
		return "the text is " + e.Encoding + ", and BuildKit reads UTF-8"
	case e.Byte >= utf8.RuneSelf:
		return fmt.Sprintf("the byte 0x%02x is not UTF-8, which BuildKit reads: "+
			"the text is perhaps Latin-1 or Windows-1252", e.Byte)
	case e.Line == 0:
		return "the text is not UTF-8, which BuildKit reads"
	case e.Byte == 0:
		return "it has a NUL byte, which no argument, variable or path can have"
	}
	return fmt.Sprintf("it has the control character 0x%02x, which BuildKit cannot send", e.Byte)
}

// explainSyntax returns an *EncodingError if the bytes of a Dockerfile are why it cannot be parsed, otherwise err. Line
// is the one that the parser names, or 0.
func explainSyntax(text []byte, line int, err error) error {
	if wide := wideEncoding(text); wide != nil {
		return wide
	}
	lines := bytes.Split(text, []byte("\n"))
	if line < 1 || line > len(lines) {
		return err
	}
	if wrong, ok := invalidByte(lines[line-1]); ok {
		return &EncodingError{Line: line, Byte: wrong}
	}
	return err
}

// encodingErrorOf returns an *EncodingError if the bytes of a Dockerfile's text caused err, an error of running the
// frontend on it; otherwise nil.
//
// Most texts that are not UTF-8 build: those that have such bytes in comments, or only in the image's configuration.
func encodingErrorOf(err error, text []byte) *EncodingError {
	if !isUnsendable(err) || errors.As(err, new(*errdefs.VertexError)) { // a step may say anything
		return nil
	}
	return findWrongLine(text, nonUTF8Byte)
}

// isUnsendable tells whether a message to a daemon could not be made. The words are those of
// google.golang.org/protobuf.
func isUnsendable(err error) bool {
	return err != nil && strings.Contains(err.Error(), "contains invalid UTF-8")
}

// hasNULStep tells whether a definition has a step that no kernel runs: with a NUL byte in an argument, a variable or a
// path.
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
