package registry_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
)

// FuzzParseTag holds that a parsed tag parses again from its own text, and names the same.
func FuzzParseTag(f *testing.F) {
	for _, s := range []string{
		"ghcr.io/acme/app:1", "app", "user/app", "localhost:5000/a/b", "[::1]:5000/a:b", "https://u:p@ghcr.io/a:1",
		"ghcr.io/a@sha256:" + strings.Repeat("0", 64),
		"GHCR.IO/acme/app", "index.docker.io/library/x:y", "a.b/c:" + strings.Repeat("x", 129), "a.b/c: d", "::", "//",
		"a.b/\x00", "a.b/c:\x1b[2J", "registry-1.docker.io/a/b",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		tag, err := registry.ParseTag(s)
		if err != nil {
			if text := err.Error(); len(text) > 8*len(s)+1000 || strings.ContainsFunc(text, unicode.IsControl) {
				t.Errorf("%q", text)
			}
			return
		}
		again, err := registry.ParseTag(tag.String())
		if err != nil || again != tag {
			t.Errorf("%q is %s, and then %s, %v", s, tag, again, err)
		}
		if tag.Repository() != again.Repository() || !strings.HasPrefix(tag.String(), tag.Host()+"/") {
			t.Errorf("%q is %s at %s", s, tag, tag.Host())
		}
	})
}

// FuzzDockerConfig holds that a login belongs to a host that the file names.
func FuzzDockerConfig(f *testing.F) {
	for _, text := range []string{
		`{}`, `{"auths":{"ghcr.io":{"auth":"dXNlcjpwYXNz"}}}`,
		`{"auths":{"https://index.docker.io/v1/":{"username":"u","password":"p"}}}`,
		`{"auths":{"ghcr.io@evil.example.com":{"auth":"dXNlcjpwYXNz"}}}`, `{"auths":{"":{"identitytoken":"t"}}}`,
		`{"auths":[]}`, `{"auths":{"x":{"auth":"="}}}`,
		`{"credsStore":"../../bin/sh"}`, `{"credHelpers":{"ghcr.io":"x"}}`, "\ufeff{}", strings.Repeat("{", 10001),
	} {
		f.Add(text, "ghcr.io")
		f.Add(text, "docker.io")
	}
	f.Setenv("PATH", f.TempDir()) // no helper is run
	folder := f.TempDir()
	f.Fuzz(func(t *testing.T, text, host string) {
		if strings.Contains(text, "cred") || strings.ContainsFunc(host, unicode.IsSpace) {
			return
		}
		file := filepath.Join(folder, "config.json")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		keychain := registry.NewKeychain(nil)
		keychain.DockerConfig = folder
		ctx, stop := context.WithTimeoutCause(t.Context(), time.Minute, nil)
		defer stop()
		hostOf := (registry.Login{Address: host}).Host()
		if strings.Contains(hostOf, "amazonaws") || strings.HasSuffix(hostOf, ".io") && hostOf != "ghcr.io" &&
			hostOf != "docker.io" {
			return // a cloud is asked
		}
		got, err := keychain.Lookup(ctx, host)
		checkError(t, err)
		if err == nil && !got.Anonymous() && !hasEntry(text, host) {
			t.Errorf("%s was given %q of %s", host, got.Username, text)
		}
	})
}

// hasEntry reports whether a configuration has an entry for host.
func hasEntry(text, host string) bool {
	var file struct {
		Auths map[string]json.RawMessage `json:"auths"`
	}
	if err := json.NewDecoder(strings.NewReader(text)).Decode(&file); err != nil {
		return false
	}
	for address := range file.Auths {
		if (registry.Login{Address: address}).Host() == (registry.Login{Address: host}).Host() {
			return true
		}
	}
	return false
}
