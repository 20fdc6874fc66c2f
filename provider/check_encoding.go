package provider

import (
	"errors"
	"fmt"
	"strings"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/shell"
)

// encodingRemedy returns how to convert a text into one that BuildKit reads.
func encodingRemedy(e *inputs.EncodingError) string {
	from, guess := e.Encoding, ""
	switch {
	case from == "" && e.Byte < 0x80 && e.Line > 0:
		return "leave it out, and save the file as plain UTF-8"
	case from == "":
		from, guess = "WINDOWS-1252", ", if it is one of these,"
	case e.Mark: // iconv then leaves the mark out
		from = strings.TrimRight(from, "LBE")
	}
	if e.File == "" {
		return "save it as UTF-8"
	}
	path := e.File
	if strings.HasPrefix(path, "-") { // a program would take it for an option
		path = "./" + path
	}
	file := shell.Quote(path)
	return fmt.Sprintf("save it as UTF-8, with an editor or%s with: iconv -f %s -t UTF-8 %s >%s && mv %[4]s %[3]s",
		guess, from, file, shell.Quote(path+".utf8"))
}

// failEncoding reports an error about the encoding of a text under the input that names the text. It returns false for
// any other error.
func failEncoding(c *checker, err error, files inputs.Files) bool {
	wrong, ok := errors.AsType[*inputs.EncodingError](err)
	if !ok {
		return false
	}
	shown := *wrong
	if shown.File == "" && !shown.Remote {
		shown.File = files.Dockerfile
	}
	c.fail(textPath(c.args, err, &shown), "%v. %s", &shown, upperFirst(encodingRemedy(&shown)))
	return true
}

// textPath returns the path of the input that says where a text is.
func textPath(a ImageArgs, err error, wrong *inputs.EncodingError) string {
	named, ok := errors.AsType[*inputs.NamedContextError](err)
	switch {
	case ok:
		return under("context.named", named.Name) + ".location"
	case wrong.Ignore && wrong.File != a.files().Dockerfile+".dockerignore":
		return "context.location"
	}
	return a.dockerfilePath()
}

func upperFirst(text string) string { return strings.ToUpper(text[:1]) + text[1:] }
