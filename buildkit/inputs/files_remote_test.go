package inputs

import (
	"strings"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/login"
)

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
	plain := inputs("https://example.com/r.git")
	one, other := inputs("https://a:1@example.com/r.git"), inputs("https://b:2@example.com/r.git")
	if plain.Hash() != one.Hash() || one.Hash() != other.Hash() {
		t.Error("a login is part of the hash")
	}
	older := inputs("https://a:1@example.com/r.git")
	older.legacy.logins = true
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

func FuzzRemote(f *testing.F) {
	for _, seed := range []string{
		"https://me:t0ken@example.com/r.git#main:sub",
		"git@example.com:r.git",
		"https://example.com/a.tgz?token=t0ken",
		"ssh://a:b@[::1]:22/x",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, location string) {
		files := Files{Context: location, Named: map[string]string{"x": location}}
		_, _ = files.LoginSecrets(), IsRemoteNamedContext(location)
		if !IsRemote(location) {
			return
		}
		options := map[string]string{}
		files.addRemoteOptions(options)
		if _, has := login.Cut(options["context"]); has && strings.Count(location, "@") == 1 {
			t.Errorf("%q: the daemon is told %q", location, options["context"])
		}
	})
}
