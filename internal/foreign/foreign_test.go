package foreign_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/foreign"
)

func TestText(t *testing.T) {
	t.Parallel()
	cases := map[string]struct{ text, want string }{
		"plain":            {"step [2/3] RUN make: exit code 1\n  a\tb", "step [2/3] RUN make: exit code 1\n  a\tb"},
		"letters":          {"größe 日本語 नमस्ते 👍 é café", "größe 日本語 नमस्ते 👍 é café"},
		"colors":           {"\x1b[31mred\x1b[0m \x1b[1;38;5;4mblue\x1b[m", "red blue"},
		"movements":        {"\x1b[2J\x1b[1;1H\x1b[?25lhome", "home"},
		"a title":          {"\x1b]0;title\x07done", `\x1b]0;title\x07done`},
		"a clipboard":      {"\x1b]52;c;cm0gLXJmIC8=\x1b\\", `\x1b]52;c;cm0gLXJmIC8=\x1b\`},
		"a link":           {"\x1b]8;;http://evil.example\x1b\\ok", `\x1b]8;;http://evil.example\x1b\ok`},
		"a bare escape":    {"a\x1bcb", `a\x1bcb`},
		"nested sequences": {"\x1b\x1b[0m[31mred", `\x1b[31mred`},
		"C0 and DEL":       {"a\x00\x08\x7fb", `a\x00\x08\x7fb`},
		"C1":               {"a\u009b31mb", `a\u009b31mb`},
		"bidi":             {"a\u202eb\u2066c\u200f", `a\u202eb\u2066c\u200f`},
		"invisible": {
			"a\u200bb\ufeffc\u00add\u2028e\u3164f\U000e0041", `a\u200bb\ufeffc\u00add\u2028e\u3164f\U000e0041`,
		},
		"invalid UTF-8":     {"a\xff\xc3(", `a\xff\xc3(`},
		"carriage returns":  {"10%\r50%\r100%\r\nnext\r\n", "100%\nnext\n"},
		"overwritten":       {"\rprogress\rfatal: disk full\r", "fatal: disk full"},
		"markup":            {"<{%x%}> <{%reset%}> <{%", `<\{%x%}> <\{%reset%}> <\{%`},
		"markup in pieces":  {"<\x1b[0m{%x%}> <{\r<{%x%}>", `<\{%x%}>`},
		"nested markup":     {"<{<{%%x%}>", `<{<\{%%x%}>`},
		"a form that is ok": {"app@sha256:" + strings.Repeat("0", 64), "app@sha256:" + strings.Repeat("0", 64)},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := foreign.Text(c.text); got != c.want {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

func TestLine(t *testing.T) {
	t.Parallel()
	if got := foreign.Line("a\nb\r\nc\x1b]0;\x07"); got != `a b c\x1b]0;\x07` {
		t.Error(got)
	}
}

// canary is the secret in each text.
const canary = "c4n4ryQ8x7Zk2Lm9Pq4R"

func TestSecretsAreCut(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"https://s3.example/b/o?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=%s&X-Amz-Signature=%s&" +
			"X-Amz-Security-Token=%s",
		`{"errors":[{"message":"GET https://s3.example/?X-Amz-Signature=%s\u0026X-Amz-Credential=%s: 403"}]}`,
		"to=https%%3A%%2F%%2Fs3.example%%2F%%3FX-Amz-Signature%%3D%s%%26sig%%3D%s",
		"https://storage.googleapis.com/b?X-Goog-Signature=%s&GoogleAccessId=%s&Signature=%s",
		"https://x.blob.core.windows.net/c?se=2026&sp=r&sig=%s",
		"https://cf.example/blobs/data?expires=1&signature=%s&version=2",
		"https://production.cloudflare.docker.com/data?verify=1700000000-%s%%3D",
		"token=%s", "?token=%s&a=b", `--token="%s"`, "--password=%s", "access_token=%s;",
		"AWS_SECRET_ACCESS_KEY=%s AWS_SESSION_TOKEN=%s",
		`{"token":"%s","access_token": "%s","refresh_token":"%s"}`, `body: {\"token\":\"%s\"}`,
		`{"auths":{"a":{"auth":"%s"}}}`,
		"GITHUB_TOKEN=%s", "export NPM_TOKEN='%s'", "env: MY_APP_TOKEN=%s;", "//npm.example.com/:_authToken=%s",
		"?private_token=%s", "DB_PASSWORD=%s",
		"X-Auth-Token: %s", `{"X-Vault-Token":"%s"}`, "> x-api-key: %s", "PRIVATE-TOKEN: %s", `-H \"X-Auth-Token: %s\"`,
		"Authorization: Bearer %s", "authorization: Basic %s==", `"Authorization":"Bearer %s"`, "got Bearer %s from",
		"Basic %s=",
		"https://user:%s@registry.example/v2/", "https://%s@github.com/a/b.git", "HTTPS://a:%s@h",
		"http://u:%s@proxy:3128", "ssh://git:%s@h/r", "git+https://x:%s@h/r",
		"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.%s", "eyJhbGciOiJIUzI1NiJ9.%s", "ghp_%s", "github_pat_%s", "glpat-%s",
		"dckr_pat_%s", "IQoJb3JpZ2lu%s", "xoxb-%s",
		"-----BEGIN OPENSSH PRIVATE KEY-----\n%s\n%s\n-----END OPENSSH PRIVATE KEY-----",
		"-----BEGIN PRIVATE KEY-----\n%s",
		"Authorization: AWS4-HMAC-SHA256 Credential=%s/20261127/eu/ecr/aws4_request, SignedHeaders=host, Signature=%s",
		"tok\x1b[0men=%s", "\x1b[1mghp_\x1b[0m%s",
	} {
		marks := make([]any, strings.Count(text, "%s"))
		for i := range marks {
			marks[i] = canary
		}
		text = fmt.Sprintf(text, marks...)
		for _, got := range []string{foreign.Text(text), foreign.Line(text)} {
			if strings.Contains(got, canary) || !strings.Contains(got, "[secret]") {
				t.Errorf("%.300q: got %.300q", text, got)
			}
		}
	}
	for _, key := range []string{"AKIAIOSFODNN7EXAMPLE", "ASIAIOSFODNN7EXAMPLE"} {
		if got := foreign.Text("key " + key + "."); got != "key [secret]." {
			t.Error(got)
		}
	}
}

func TestOrdinaryTextsStay(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"pull access denied, repository does not exist or may require authorization: " +
			"server message: insufficient_scope: authorization failed",
		`Bearer realm="https://auth.docker.io/token",service="registry.docker.io"`,
		"the registry wants Basic authentication, or Bearer tokens",
		"docker-image://alpine@sha256:abc", "ssh://git@github.com/a/b", "git@github.com:a/b",
		"https://npm.example.com/@scope/name",
		"RUN --mount=type=secret,id=token cat /run/secrets/token", "https://example.com/?a=b&c=d",
		"the token: it has expired", "basic_auth and bearer_token",
		"GET https://registry.example/v2/app/manifests/1: 404 Not Found", "[secret] and --token=[secret]",
		"npm_config_cache_directory=/x",
		"RUN NPM_TOKEN=$(cat /run/secrets/npm) npm ci", "RUN --mount=type=secret,id=GITHUB_TOKEN,env=GITHUB_TOKEN true",
		"GITHUB_TOKEN is not set", "tokens=5",
		"give it in X-Auth-Token, or as GITHUB_TOKEN: see docs", "the X-Auth-Token header: it is missing",
		"RUN echo $GITHUB_TOKEN", "X-Token-Count: 5",
	} {
		if got := foreign.Text(text); got != text {
			t.Errorf("%q became %q", text, got)
		}
	}
}

func TestTextsAreBounded(t *testing.T) {
	t.Parallel()
	cases := map[string]struct{ text, want string }{
		"a long line":  {strings.Repeat("x", 5000), "… [cut "},
		"many lines":   {strings.Repeat("line\n", 100_000), "lines]\n"},
		"a huge line":  {strings.Repeat("word ", 1<<20), " characters]"},
		"no words":     {strings.Repeat("x", 3<<20), "[cut 3145728 bytes]"},
		"a huge token": {strings.Repeat("y ", 1<<18) + "eyJ" + strings.Repeat("c", 1<<21) + ".eyJabcdefgh.ijk", "cut"},
		"binary":       {strings.Repeat("\xff", 1<<20), "[cut 1048576 bytes]"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := foreign.Text(c.text)
			if len(got) > 32<<10 || !strings.Contains(got, c.want) || strings.Contains(got, "ccccccccc") {
				t.Errorf("%d bytes: %.200q", len(got), got)
			}
			if line := foreign.Line(c.text); len(line) > 8000 {
				t.Errorf("a line of %d bytes", len(line))
			}
		})
	}
	text := foreign.Text("first\n" + strings.Repeat("middle\n", 100_000) + "last")
	if !strings.HasPrefix(text, "first\n") || !strings.HasSuffix(text, "\nlast") {
		t.Error("the ends of a long text are gone")
	}
}

// No text takes more time than its length allows, also one that is written to slow the regular expressions down.
func TestTextTakesTimeInProportion(t *testing.T) {
	t.Parallel()
	for _, piece := range []string{
		"eyJ", "eyJaaaaaa.", `"token":`, `\"token\"`, "basic ", "basic a0", "https://", "https://a", "ssh://:",
		"-----BEGIN PRIVATE KEY", "-----BEGIN ",
		"AKIA", "ghp_a ", "authorization:bearer ", "sig=", "&sig%3", `\x00`, "x-amz-", "\r", "\x1b[", "\x1b[0", "<{%",
		"\xff", "a\r\n",
	} {
		text := strings.Repeat(piece, 60<<10/len(piece))
		began := time.Now()
		for range 4 {
			foreign.Text(text + " end")
		}
		if took := time.Since(began); took > 8*time.Second { // 4 times 50 ms and less on an idle machine
			t.Errorf("%q: %s", piece, took)
		}
	}
}
