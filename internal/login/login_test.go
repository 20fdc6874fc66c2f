package login_test

import (
	"strings"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/login"
)

func TestCut(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		plain string
		found bool
	}{
		"https://me:t0ken@example.com/repo.git#main":     {"https://example.com/repo.git#main", true},
		"https://t0ken@example.com/repo.git":             {"https://example.com/repo.git", true},
		"HTTPS://me:p@ss@example.com:8443/a.tar.gz":      {"HTTPS://example.com:8443/a.tar.gz", true},
		"http://me:%zz@example.com?x=@y":                 {"http://example.com?x=@y", true},
		"git://me:t0ken@example.com/repo.git":            {"git://example.com/repo.git", true},
		"ssh://git:t0ken@example.com/repo.git":           {"ssh://git@example.com/repo.git", true},
		"ssh://git@example.com/repo.git":                 {"ssh://git@example.com/repo.git", false},
		"git@example.com:acme/repo.git":                  {"git@example.com:acme/repo.git", false},
		"https://example.com/@scope/pkg.tgz":             {"https://example.com/@scope/pkg.tgz", false},
		"https://example.com#@x":                         {"https://example.com#@x", false},
		"./app":                                          {"./app", false},
		"docker-image://example.com/base@sha256:0123456": {"docker-image://example.com/base@sha256:0123456", false},
	}
	for location, want := range cases {
		if plain, found := login.Cut(location); plain != want.plain || found != want.found {
			t.Errorf("%s: got %s, %t, want %s, %t", location, plain, found, want.plain, want.found)
		}
	}
}

func TestHide(t *testing.T) {
	t.Parallel()
	cases := map[string]string{
		`fetch "https://me:t0ken@example.com/x": 401`: `fetch "https://example.com/x": 401`,
		"https://example.com/a.tgz?token=t0ken&v=1":   "https://example.com/a.tgz?token=[secret]&v=1",
		"https://s3.example.com/a?X-Amz-Credential=t0ken&X-Amz-Signature=t": "" +
			"https://s3.example.com/a?X-Amz-Credential=[secret]&X-Amz-Signature=[secret]",
		"https://storage.example.com/a?sv=1&sig=t0ken#x": "https://storage.example.com/a?sv=1&sig=[secret]#x",
		"https://example.com/a?ref=main":                 "https://example.com/a?ref=main",
		"mail me@example.com?token=x":                    "mail me@example.com?token=x",
	}
	for text, want := range cases {
		if got := login.Hide(text); got != want {
			t.Errorf("%s\n got %s\nwant %s", text, got, want)
		}
	}
}

func FuzzLocation(f *testing.F) {
	for _, seed := range []string{
		"https://me:t0ken@example.com/r.git#main:sub", "git@example.com:r.git", "https://example.com/a.tgz?token=t0ken",
		"ssh://a:b@[::1]:22/x",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, location string) {
		plain, found := login.Cut(location)
		if again, twice := login.Cut(plain); found && !strings.Contains(plain, "@") && (twice || again != plain) {
			t.Errorf("%q became %q and then %q", location, plain, again)
		}
		hidden := login.Hide(location)
		if login.Hide(hidden) != hidden && !strings.Contains(hidden, "@") {
			t.Errorf("%q is hidden as %q, and then as %q", location, hidden, login.Hide(hidden))
		}
	})
}
