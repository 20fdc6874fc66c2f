package buildkit

import (
	"encoding/base64"
	"net/url"
	"strings"
	"testing"

	"github.com/moby/buildkit/client"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/login"
)

func TestRedactionTakesSecretsOut(t *testing.T) {
	t.Parallel()
	const secret = "p@ss word/Hunter2+éü"
	key := "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG\n9w0BAQEFAASCBKcw\n-----END KEY-----\n"
	cases := map[string]struct{ secret, printed, want string }{
		"the plain secret":     {secret, "the password is " + secret + ".", "the password is [secret]."},
		"twice":                {secret, secret + secret, "[secret][secret]"},
		"another text":         {secret, "p@ss word/Hunter3", "p@ss word/Hunter3"},
		"its beginning only":   {secret, "p@ss", "p@ss"},
		"after a false start":  {secret, "p@ssp@ss word/Hunter2+éü", "p@ss[secret]"},
		"base64":               {secret, base64.StdEncoding.EncodeToString([]byte(secret)), "[secret]"},
		"base64 for URLs":      {secret, base64.URLEncoding.EncodeToString([]byte(secret)), "[secret]"},
		"percent-encoded":      {secret, "a=1&b=" + url.QueryEscape(secret) + "&c", "a=1&b=[secret]&c"},
		"in the path of a URL": {secret, "https://host/" + url.PathEscape(secret), "https://host/[secret]"},
		"in parts of a path":   {secret, "https://host/p@ss%20word/Hunter2+%C3%A9%C3%BC?a", "https://host/[secret]?a"},
		"several lines":        {key, "+ cat key\n" + key + "done", "+ cat key\n[secret]\ndone"},
		"one of its lines":     {key, "| MIIEvQIBADANBgkqhkiG |", "| [secret] |"},
		"with a line break":    {"hunter2\n", "TOKEN=hunter2 make", "TOKEN=[secret] make"},
		"a short secret":       {"abc", "abc", "abc"},
		"white space only":     {" \n", "a \n b", "a \n b"},
		"a regular expression": {"a.*b", "axxb a.*b", "axxb [secret]"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &redaction{}
			r.learn(c.secret)
			if got := r.hide(c.printed); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
			for size := 1; size <= len(c.printed); size++ { // however the output is cut into pieces
				if got := redactInPieces(r, c.printed, size); got != c.want {
					t.Errorf("in pieces of %d bytes: got %q, want %q", size, got, c.want)
				}
			}
		})
	}
}

func redactInPieces(r *redaction, text string, size int) string {
	var shown strings.Builder
	stream := redactedStream{redact: r}
	for data := []byte(text); len(data) > 0; data = data[min(size, len(data)):] {
		shown.Write(stream.write(data[:min(size, len(data))]))
	}
	shown.Write(stream.end())
	return shown.String()
}

// In the base64 text of "user:password" the password may begin at any of the three bytes of a group.
func TestRedactionFindsASecretInsideBase64(t *testing.T) {
	t.Parallel()
	const secret = "correct-horse-battery"
	r := &redaction{}
	r.learn(secret)
	for _, user := range []string{"", "u:", "us:", "user:", "admin:"} {
		for _, after := range []string{"", "\n", "@h"} {
			shown := r.hide(base64.StdEncoding.EncodeToString([]byte(user + secret + after)))
			if !strings.Contains(shown, login.Redacted) ||
				len(shown) > len(login.Redacted)+2+base64.StdEncoding.EncodedLen(len(user)+len(after)) {
				t.Errorf("%q, %q: %s", user, after, shown)
			}
		}
	}
}

func TestRedactionPrefersTheLongerSecret(t *testing.T) {
	t.Parallel()
	r := &redaction{}
	for _, secret := range []string{"token", "token-of-mine", "mine-and-yours"} {
		r.learn(secret)
	}
	const printed = "token token-of-mine token-of-mine-and-yours token-of"
	const want = "[secret] [secret] [secret]-and-yours [secret]-of"
	if got := r.hide(printed); got != want {
		t.Errorf("got %q", got)
	}
	// The end could be the beginning of a secret.
	if got := redactInPieces(r, printed, 3); got != "[secret] [secret] [secret]-and-yours [secret]" {
		t.Errorf("in pieces: got %q", got)
	}
}

// The pieces of standard output and standard error alternate.
func TestAStepsOutputIsRedacted(t *testing.T) {
	t.Parallel()
	r := &redaction{}
	r.learn("hunter2-canary")
	s := newStepTracker(&stepPlatforms{}, r, newLog(nil, nil), nil)
	state := s.state("step")
	for _, piece := range []struct {
		stream int
		data   string
	}{{1, "out hunter2"}, {2, "hunter2-ca"}, {1, "-canary out\n"}, {2, "nary err\n"}, {1, "hunter2-can"}} {
		s.keepOutput(state, &client.VertexLog{Stream: piece.stream, Data: []byte(piece.data)})
	}
	if got := strings.Join(state.lastLines(), "|"); got != "out [secret] out|[secret] err|[secret]" {
		t.Errorf("got %q", got)
	}
}
