package fault

import (
	"strings"
	"unicode"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/foreign"
)

// maxLine is how much of a registry's words an error repeats, in bytes.
const maxLine = 300

// OneLine returns the beginning of a text on one line. It hides secrets before it cuts: a part of a secret would not
// look like one.
func OneLine(text string) string {
	text = foreign.Line(strings.Join(strings.FieldsFunc(text, isBreak), " "))
	if len(text) <= maxLine {
		return text
	}
	return strings.ToValidUTF8(text[:maxLine], "") + "..."
}

func isBreak(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }
