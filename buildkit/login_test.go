package buildkit

import (
	"context"
	"strings"
	"testing"
)

func TestCutLogin(t *testing.T) {
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
		if plain, found := CutLogin(location); plain != want.plain || found != want.found {
			t.Errorf("%s: got %s, %t, want %s, %t", location, plain, found, want.plain, want.found)
		}
	}
}

func TestHideLogins(t *testing.T) {
	t.Parallel()
	cases := map[string]string{
		`fetch "https://me:t0ken@example.com/x": 401`:                       `fetch "https://example.com/x": 401`,
		"https://example.com/a.tgz?token=t0ken&v=1":                         "https://example.com/a.tgz?token=[secret]&v=1",
		"https://s3.example.com/a?X-Amz-Credential=t0ken&X-Amz-Signature=t": "https://s3.example.com/a?X-Amz-Credential=[secret]&X-Amz-Signature=[secret]",
		"https://storage.example.com/a?sv=1&sig=t0ken#x":                    "https://storage.example.com/a?sv=1&sig=[secret]#x",
		"https://example.com/a?ref=main":                                    "https://example.com/a?ref=main",
		"mail me@example.com?token=x":                                       "mail me@example.com?token=x",
	}
	for text, want := range cases {
		if got := HideLogins(text); got != want {
			t.Errorf("%s\n got %s\nwant %s", text, got, want)
		}
	}
}

// The locations of contexts without their logins have one hash, and the hash of an older version is recognized.
func TestLoginsAreNotHashed(t *testing.T) {
	t.Parallel()
	inputs := func(context string) *Inputs {
		in, err := Load(t.Context(), Plan{Files: Files{Context: context, Inline: []byte("FROM scratch")}})
		if err != nil {
			t.Fatal(err)
		}
		return in
	}
	plain, one, other := inputs("https://example.com/r.git"), inputs("https://a:1@example.com/r.git"), inputs("https://b:2@example.com/r.git")
	if plain.Hash() != one.Hash() || one.Hash() != other.Hash() {
		t.Error("a login is part of the hash")
	}
	older := inputs("https://a:1@example.com/r.git")
	older.former.logins = true
	before := older.Hash()
	if before == plain.Hash() {
		t.Error("the test proves nothing")
	}
	one.Recognize(before)
	other.Recognize(before)
	if one.Hash() != before || other.Hash() != plain.Hash() {
		t.Error("the hash of an older version is recognized for the very same location only")
	}
}

// The program's own secret for a host is not covered by the login in a URL, and a user without a password is none to git.
func TestWhichLoginsTravel(t *testing.T) {
	t.Parallel()
	mine := func(context.Context) ([]byte, error) { return nil, nil }
	cases := map[string]struct {
		location string
		given    map[string]Secret
		want     int
	}{
		"git":                {"https://me:t0ken@example.com/r.git#main:sub", nil, 1},
		"a file":             {"https://me:t0ken@example.com/a.tgz", nil, 1},
		"a user to git":      {"https://me@example.com/r.git", nil, 0},
		"a user of a file":   {"https://me@example.com/a.tgz", nil, 1},
		"a secret for git":   {"https://me:t0ken@example.com/r.git", map[string]Secret{"GIT_AUTH_TOKEN.example.com": mine}, 0},
		"a secret for files": {"https://me:t0ken@example.com/a.tgz", map[string]Secret{"HTTP_AUTH_TOKEN_example.com": mine}, 0},
		"no login":           {"https://example.com/a.tgz", nil, 0},
	}
	for name, c := range cases {
		l := newLogins(&redaction{})
		l.given = c.given
		rules := l.rules(Files{Context: c.location})
		if len(rules) != c.want || len(l.values) != c.want {
			t.Errorf("%s: %d rules, %d secrets, want %d", name, len(rules), len(l.values), c.want)
		}
		for _, r := range rules {
			if text := r.String(); strings.Contains(text, "t0ken") {
				t.Errorf("%s: the policy has the login: %s", name, text)
			}
		}
	}
}

func FuzzLocation(f *testing.F) {
	for _, seed := range []string{"https://me:t0ken@example.com/r.git#main:sub", "git@example.com:r.git", "https://example.com/a.tgz?token=t0ken", "ssh://a:b@[::1]:22/x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, location string) {
		plain, found := CutLogin(location)
		if again, twice := CutLogin(plain); found && !strings.Contains(plain, "@") && (twice || again != plain) {
			t.Errorf("%q became %q and then %q", location, plain, again)
		}
		hidden := HideLogins(location)
		if HideLogins(hidden) != hidden && !strings.Contains(hidden, "@") {
			t.Errorf("%q is hidden as %q, and then as %q", location, hidden, HideLogins(hidden))
		}
		files := Files{Context: location, Named: map[string]string{"x": location}}
		l := newLogins(&redaction{})
		l.rounds = 1 // as slow as it should be, it would be all that is tested
		_ = l.rules(files)
		_, _, _ = urlHost(location), registryHost(location), hostOf(location)
		_, _ = files.Logins(), IsRemoteNamed(location)
		_, _ = parseAddress(location)
		if IsRemote(location) {
			attrs := map[string]string{}
			files.remoteAttrs(attrs)
			if _, has := CutLogin(attrs["context"]); has && strings.Count(location, "@") == 1 {
				t.Errorf("%q: the daemon is told %q", location, attrs["context"])
			}
		}
	})
}
