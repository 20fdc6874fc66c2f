package provider

import (
	"strings"
	"testing"
)

const namedLib = `"named": {"lib": {"location": "DIR/lib"}}`

// textEncodings are inputs with text that is not UTF-8, and the reason that Check gives. An empty reason means that
// they build.
var textEncodings = map[string]struct{ inputs, property, reason string }{
	"UTF-16": {
		`{"context": {"location": "DIR/wide"}}`, "dockerfile.location",
		"DIR/wide/Dockerfile: line 1: the text is UTF-16LE, and BuildKit reads UTF-8. Save it as UTF-8, with an " +
			"editor or with: iconv -f UTF-16 -t UTF-8 DIR/wide/Dockerfile >DIR/wide/Dockerfile.utf8 && mv " +
			"DIR/wide/Dockerfile.utf8 DIR/wide/Dockerfile",
	},
	"UTF-16, bare": {
		`{"context": {"location": "DIR/bare"}}`, "dockerfile.location",
		"DIR/bare/Dockerfile: line 1: the text is UTF-16LE, and BuildKit reads UTF-8. Save it as UTF-8, with an " +
			"editor or with: iconv -f UTF-16LE -t UTF-8 ",
	},
	"Latin-1": {
		`{"context": {"location": "DIR/latin"}}`, "dockerfile.location",
		"DIR/latin/Dockerfile: line 2: the byte 0xe9 is not UTF-8, which BuildKit reads: the text is perhaps Latin-1 " +
			"or Windows-1252. Save it as UTF-8, with an editor or, if it is one of these, with: iconv -f " +
			"WINDOWS-1252 -t UTF-8 DIR/latin/Dockerfile >",
	},
	"Latin-1, watch all": {
		`{"context": {"location": "DIR/latin"}, "watch": "all"}`, "dockerfile.location", "line 2: the byte 0xe9",
	},
	"a space": {
		`{"context": {"location": "DIR/my app"}}`, "dockerfile.location",
		"UTF-8 'DIR/my app/Dockerfile' >'DIR/my app/Dockerfile.utf8' && ",
	},
	"NUL": {
		`{"context": {"location": "DIR/nul"}}`, "dockerfile.location",
		"DIR/nul/Dockerfile: line 2: it has a NUL byte, which no argument, variable or path can have. Leave it out, " +
			"and save the file as plain UTF-8",
	},
	"inline NUL": {
		`{"context": {"location": "DIR/lib"}, "dockerfile": {"inline": "FROM busybox\nRUN echo \u0000"}}`,
		"dockerfile.inline",
		"line 2: it has a NUL byte, which no argument, variable or path can have. Leave it out",
	},
	"an ignore file": {
		`{"context": {"location": "DIR/ignored", ` + namedLib + `}}`, "context.location",
		"DIR/ignored/.dockerignore: line 1: the text is UTF-16LE, and BuildKit reads UTF-8. Save it as UTF-8, with " +
			"an editor or with: iconv -f UTF-16 -t UTF-8 DIR/ignored/.dockerignore >",
	},
	"the Dockerfile's ignore file": {
		`{"context": {"location": "DIR/own", ` + namedLib + `}}`, "dockerfile.location",
		"DIR/own/Dockerfile.dockerignore: line 1: the text is UTF-16LE",
	},
	"of a named context": {
		`{"context": {"location": "DIR/plain", "named": {"lib": {"location": "DIR/ignored"}}}}`,
		"context.named.lib.location",
		"DIR/ignored/.dockerignore: line 1: the text is UTF-16LE",
	},
	"the name of a file": {
		`{"context": {"location": "DIR/name"}}`, "context",
		`"d/caf\xe9": the name is not UTF-8, which BuildKit cannot send: rename it or add it to .dockerignore`,
	},
	"an ignore file of nothing that is read": {`{"context": {"location": "DIR/unread"}}`, "", ""},
	"a comment and a label":                  {`{"context": {"location": "DIR/comment"}}`, "", ""},
}

// Check reports text that is not UTF-8 under the input that names it, with the file, the line and a command that
// converts it.
func TestCheckNamesTheEncoding(t *testing.T) {
	t.Parallel()
	const utf16 = "\xff\xfea\x00\n\x00"
	const scratch = "FROM scratch\nCOPY . /\nCOPY --from=lib . /\n"
	dir := newFolder(t, map[string]string{
		"wide/Dockerfile":  "\xff\xfeF\x00R\x00O\x00M\x00 \x00x\x00\n\x00",
		"bare/Dockerfile":  "F\x00R\x00O\x00M\x00 \x00x\x00\n\x00",
		"latin/Dockerfile": "FROM busybox\nRUN echo caf\xe9\n", "nul/Dockerfile": "FROM busybox\nRUN echo \x00\n",
		"my app/Dockerfile": "FROM busybox\nRUN echo caf\xe9\n",
		"own/Dockerfile":    scratch, "own/Dockerfile.dockerignore": utf16, "lib/a": "", "ignored/Dockerfile": scratch,
		"ignored/.dockerignore": utf16,
		"plain/Dockerfile":      scratch, "unread/Dockerfile": "FROM scratch\nENV A=1\n", "unread/.dockerignore": utf16,
		"comment/Dockerfile": "# caf\xe9\nFROM busybox\nLABEL a=caf\xe9\n",
		"name/Dockerfile":    "FROM scratch\nCOPY . /\n", "name/d/caf\xe9": "",
	})
	for name, c := range textEncodings {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			res, reason := runCheckIn(t, dir, c.inputs), strings.ReplaceAll(c.reason, "DIR", dir)
			if c.property == "" {
				if hash := text(res.Inputs, "contextHash"); len(res.Failures) > 0 || hash == "" {
					t.Errorf("failures %+v, hash %q", res.Failures, hash)
				}
				return
			}
			if len(res.Failures) != 1 || res.Failures[0].Property != c.property ||
				!strings.Contains(res.Failures[0].Reason, reason) {
				t.Errorf("got %+v, want %s: %s", res.Failures, c.property, reason)
			}
		})
	}
}
