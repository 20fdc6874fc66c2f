package buildkit

import (
	"context"
	"strings"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/address"
)

// The program's own secret for a host comes before the login in a URL. For git, a user without a password is no login.
func TestLoginsBecomeSecrets(t *testing.T) {
	t.Parallel()
	mine := func(context.Context) ([]byte, error) { return nil, nil }
	cases := map[string]struct {
		location string
		given    map[string]Secret
		want     int
	}{
		"git":              {"https://me:t0ken@example.com/r.git#main:sub", nil, 1},
		"a file":           {"https://me:t0ken@example.com/a.tgz", nil, 1},
		"a user to git":    {"https://me@example.com/r.git", nil, 0},
		"a user of a file": {"https://me@example.com/a.tgz", nil, 1},
		"a secret for git": {
			"https://me:t0ken@example.com/r.git", map[string]Secret{"GIT_AUTH_TOKEN.example.com": mine}, 0,
		},
		"a secret for files": {
			"https://me:t0ken@example.com/a.tgz", map[string]Secret{"HTTP_AUTH_TOKEN_example.com": mine}, 0,
		},
		"no login": {"https://example.com/a.tgz", nil, 0},
	}
	for name, c := range cases {
		l := newLogins(&redaction{})
		l.userSecrets = c.given
		rules := l.rules(inputs.Files{Context: c.location})
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
	for _, seed := range []string{
		"https://me:t0ken@example.com/r.git#main:sub", "git@example.com:r.git", "https://example.com/a.tgz?token=t0ken",
		"ssh://a:b@[::1]:22/x",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(_ *testing.T, location string) {
		l := newLogins(&redaction{})
		l.rounds = 1 // as slow as it should be, it would be all that is tested
		_ = l.rules(inputs.Files{Context: location, Named: map[string]string{"x": location}})
		_, _, _ = urlHost(location), registryHost(location), hostOf(location)
		_, _ = address.Parse(location)
	})
}
