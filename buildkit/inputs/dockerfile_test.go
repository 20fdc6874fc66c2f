package inputs

import (
	"strings"
	"testing"
)

func TestCheckDockerfile(t *testing.T) {
	t.Parallel()
	cases := map[string]struct{ text, target, want string }{
		"good": {"FROM scratch\nCOPY . /\n", "", ""},
		"unknown word": {
			"FROM scratch\nRUNN true\n",
			"",
			"line 2: unknown instruction: RUNN (did you mean RUN?)",
		},
		"missing argument": {
			"FROM scratch\nCOPY a\n",
			"",
			"line 2: COPY requires at least two arguments, but only one was provided",
		},
		"no FROM":            {"RUN true\n", "", "line 1: no build stage in current context"},
		"empty":              {" \n", "", "the Dockerfile is empty: it needs at least a FROM"},
		"comments only":      {"# nothing\n", "", "line 1: file with no instructions"},
		"unclosed heredoc":   {"FROM scratch\nRUN <<EOF\ntrue\n", "", "line 2: unterminated heredoc"},
		"target":             {"FROM scratch AS app\nFROM scratch\n", "app", ""},
		"target, other case": {"FROM scratch AS app\n", "APP", ""},
		"target by number":   {"FROM scratch\nFROM scratch\n", "1", ""},
		"no such target": {
			"FROM scratch AS app\nFROM scratch AS test\n",
			"ap",
			`the Dockerfile has no stage "ap": it has app, test`,
		},
		"no names": {
			"FROM scratch\n",
			"ap",
			`the Dockerfile has no stage "ap": its stages have no names (FROM … AS name)`,
		},
		"other frontend": {"# syntax=example.com/fe:1\nanything goes", "x", ""},
		"official frontend": {
			"# syntax=docker/dockerfile:1\nNEWTHING",
			"",
			"line 2: unknown instruction: NEWTHING: the Dockerfile frontend here is 1.27; " +
				"for a newer one name its version, as # syntax=docker/dockerfile:1.28",
		},
		"newer frontend": {"# syntax=docker/dockerfile:1.28\nNEWTHING", "", ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := CheckDockerfile([]byte(c.text), c.target)
			switch {
			case c.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case c.want != "" && (err == nil || !strings.HasPrefix(err.Error(), c.want)):
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// A Dockerfile is text from anywhere: none of it ends the plugin, which serves every Image of the run.
func FuzzCheckDockerfile(f *testing.F) {
	for _, seed := range []string{
		"FROM scratch\nCOPY . /\n",
		"# syntax=\u00a0\nFROM a",
		"# syntax=docker/dockerfile:1\nFROM a AS b",
		"FROM a\nRUN <<EOF\nx\nEOF",
	} {
		f.Add([]byte(seed), "b")
	}
	f.Fuzz(func(_ *testing.T, text []byte, target string) {
		_ = CheckDockerfile(text, target)
		officialSyntax(text)
	})
}
