//go:build linux

package attacks

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// The attacker writes a text: in the Dockerfile, a file's name, a step's output, or as an answer of a registry, a token
// server or a git server. It wants to move the terminal's cursor, to speak to the terminal or to the CLI, and to have
// what it was sent printed into a log.

// evil sets the title of the terminal, changes the direction of writing, clears the screen and speaks the CLI's markup,
// of which the second command ends the CLI.
const evil = "\x1b]0;evil\x07\u202e\u200b\u009b\x1b[2J<{%bold%}><{%x%}>"

// spelled is the part of evil that is not dropped, as it is shown.
const spelled = `<\{%x%}>`

// signed is what a registry may repeat of a URL.
const signed = "https://s3.example/o?X-Amz-Credential=AKIAIOSFODNN7EXAMPLE&X-Amz-Signature=c4n4ry"

// runAtTerminal runs a command of the CLI at a terminal, in colors, and returns what the terminal was sent.
func runAtTerminal(t *testing.T, test *stack.Test, args string) stack.Result {
	t.Helper()
	r, err := test.Exec(t.Context(), "script", "-q", "-e", "-c",
		"stty cols 250; exec pulumi "+args+" --color always --stack dev", "/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// wantHarmless fails the test if the output to the terminal has anything of evil, or if the CLI broke.
func wantHarmless(t *testing.T, r stack.Result) {
	t.Helper()
	out := r.All()
	if !utf8.ValidString(out) {
		t.Errorf("invalid UTF-8 came through:\n%q", out)
	}
	for _, bad := range []string{
		"panic:", "Unrecognized color code", "goroutine ", "\x1b]0;", "evil\x07", "\x1b[2J",
		"\u202e", "\u200b", "\u009b", "<{%", "c4n4ry", "AKIA",
	} {
		if strings.Contains(out, bad) {
			t.Errorf("%q came through:\n%q", bad, out)
		}
	}
}

func TestTextOfOthersAtTheTerminal(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(answerEvil))
	t.Cleanup(server.Close)
	host := strings.TrimPrefix(server.URL, "http://")
	printed := strings.NewReplacer("\x1b", `\033`, "\x07", `\007`, "%", "%%").Replace(evil)
	escaped := strings.NewReplacer(
		"\x1b", `\e`, "\x07", `\a`, "\u202e", `\u202e`, "\u200b", `\u200b`, "\u009b", `\u009b`,
	).Replace(evil)
	for name, attack := range map[string]struct{ dockerfile, properties, shows string }{
		"a parse error": {dockerfile: "FROM BUSYBOX\nCOPY" + evil + " a b\n"},
		"output of a step": {dockerfile: "FROM BUSYBOX\nRUN printf '" + printed + "\\n" + signed +
			"\\n'; exit 1\n"},
		"a step":                {dockerfile: "FROM BUSYBOX\nRUN : '" + evil + "' && sleep 1 && false\n"},
		"a warning":             {dockerfile: "FROM BUSYBOX\nENV TOKEN" + evil + "=1\nRUN false\n"},
		"a file that is missed": {dockerfile: "FROM BUSYBOX\nCOPY [\"\u202e\u200b<{%x%}>\", \"/\"]\n"},
		"a base image":          {dockerfile: "FROM " + evil + "\n"},
		"a registry": {dockerfile: "FROM " + host + "/evil:1\n", properties: "pull: true",
			shows: "[secret]"},
		"a registry, to BuildKit": {
			dockerfile: "FROM " + host + "/evil:1\nRUN true\n", shows: "[secret]",
		},
		"a token server": {
			dockerfile: "FROM " + host + "/token:1\n",
			properties: "pull: true\nregistries: [{address: '" + host + "', username: u, password: p}]",
			shows:      "401 unauthorized",
		},
		"a git server": {dockerfile: "FROM BUSYBOX\n",
			properties: "context: {location: '" + server.URL + "/git/evil.git'}\npull: true"},
		"a stage": {dockerfile: "FROM BUSYBOX\n", properties: `target: "` + escaped + `"`},
		"inputs": {dockerfile: "FROM BUSYBOX\n", properties: `context: {location: app}
tags: ["REPO:` + escaped + `"]
buildArgs: {"` + escaped + `": a, "A=B": b}
secretSources: {a: {file: "/` + escaped + `"}}`},
		"a path": {dockerfile: "FROM BUSYBOX\n", properties: `dockerfile: {location: "` + escaped + `"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			properties := attack.properties
			if !strings.Contains(properties, "context:") {
				properties = app + properties
			}
			test := shared.Open(t, shared.Project(t, properties,
				map[string]string{"app/Dockerfile": attack.dockerfile}))
			r := runAtTerminal(t, test, "preview")
			stack.Fails(t, r, cmp.Or(attack.shows, spelled))
			wantHarmless(t, r)
		})
	}
}

// answerEvil answers as a registry, a token server and a git server whose messages are evil.
func answerEvil(w http.ResponseWriter, r *http.Request) {
	host := "http://" + r.Host
	switch {
	case strings.HasPrefix(r.URL.Path, "/git/"):
		w.Header().Set("Content-Type", "text/plain")
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, evil+"\n")
	case strings.HasPrefix(r.URL.Path, "/tokens"):
		w.WriteHeader(http.StatusForbidden)
		_, _ = fmt.Fprintf(w, `{"details":%q,"errors":[{"code":"DENIED","message":%q}]}`, escapeJSON(evil),
			escapeJSON(evil))
	case r.URL.Path == "/v2/":
		w.WriteHeader(http.StatusOK)
	case strings.HasPrefix(r.URL.Path, "/v2/token/"):
		w.Header().Set("WWW-Authenticate", `Bearer realm="`+host+`/tokens",service="x"`)
		w.WriteHeader(http.StatusUnauthorized)
	default:
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusForbidden)
		_, _ = fmt.Fprintf(w, `{"errors":[{"code":"DENIED","message":"%s %s"}]}`, escapeJSON(evil), escapeJSON(signed))
	}
}

// escapeJSON returns a text with its control characters as JSON writes them.
func escapeJSON(s string) string {
	return strings.NewReplacer("\x1b", `\u001b`, "\x07", `\u0007`).Replace(s)
}

// A file's name is shown by a preview that says what changed, and the plugin is not asked again before the CLI prints
// it.
func TestNamesOfChangedFilesAtTheTerminal(t *testing.T) {
	t.Parallel()
	test := shared.Open(t, shared.Project(t, app, map[string]string{"app/Dockerfile": "FROM BUSYBOX\nCOPY . /x/\n"}))
	stack.Succeeds(t, test.Up())
	if err := test.Write("app/"+strings.ReplaceAll(evil, "/", ""), "new"); err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"preview --diff", "preview", "up --yes"} {
		r := runAtTerminal(t, test, command)
		stack.Succeeds(t, r)
		wantHarmless(t, r)
		if command == "preview" {
			stack.Says(t, r, "contextHash changed", spelled)
		}
	}
}
