package registry_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
)

// canary is a password that nothing but a Credential may hold.
const canary = "canary-4711"

// helpers are credential helpers as users have them: programs on PATH, here scripts.
var helpers = map[string]string{
	"canary":  `printf '{"ServerURL":"x","Username":"user of %s","Secret":"` + canary + `"}' "$(tr : -)"`,
	"token":   `printf '{"Username":"<token>","Secret":"` + canary + `"}'`,
	"nothing": `echo 'credentials not found in native keychain'; exit 1`,
	"broken":  `echo '{"Secret":"` + canary + `"}'; echo '` + canary + `' >&2; exit 3`,
	"garbled": `echo 'Secret: ` + canary + `'`,
	"slow":    `exec sleep 60`,
	"endless": `while :; do printf '` + canary + `%01024d' 0; done`,
}

func TestMain(m *testing.M) {
	folder, err := os.MkdirTemp("", "helpers")
	if err != nil {
		panic(err)
	}
	for name, script := range helpers {
		file := filepath.Join(folder, "docker-credential-"+name)
		if err := os.WriteFile(file, []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
			panic(err)
		}
	}
	os.Setenv("PATH", folder+string(os.PathListSeparator)+os.Getenv("PATH"))
	isolate(folder)
	code := m.Run()
	os.RemoveAll(folder)
	os.Exit(code)
}

// dockerKeychain returns a keychain whose config.json holds text.
func dockerKeychain(t *testing.T, text string, logins ...registry.Login) *registry.Keychain {
	t.Helper()
	keychain := registry.NewKeychain(logins)
	keychain.DockerConfig = t.TempDir()
	if err := os.WriteFile(filepath.Join(keychain.DockerConfig, "config.json"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return keychain
}

func TestKeychainLookup(t *testing.T) {
	t.Parallel()
	const basic = "dXNlcjpwYXNz" // user:pass
	user := registry.Credential{Username: "user", Password: "pass"}
	tests := []struct {
		name, config, host string
		want               registry.Credential
	}{
		{"no entry", `{}`, "ghcr.io", registry.Credential{}},
		{"file", `{"auths":{"ghcr.io":{"auth":"` + basic + `"}}}`, "ghcr.io", user},
		{"file with URL", `{"auths":{"https://ghcr.io/v1/":{"auth":"` + basic + `"}}}`, "ghcr.io", user},
		{"other host", `{"auths":{"ghcr.io":{"auth":"` + basic + `"}}}`, "ghcr.io.example.com", registry.Credential{}},
		{
			"other port", `{"auths":{"localhost:5000":{"auth":"` + basic + `"}}}`, "localhost:5001",
			registry.Credential{},
		},
		{"Docker Hub", `{"auths":{"https://index.docker.io/v1/":{"auth":"` + basic + `"}}}`, "docker.io", user},
		{
			"Docker Hub as BuildKit asks", `{"auths":{"https://index.docker.io/v1/":{"auth":"` + basic + `"}}}`,
			"registry-1.docker.io", user,
		},
		{
			"identity token in the file", `{"auths":{"acme.azurecr.io":{"auth":"` + basic + `","identitytoken":"t"}}}`,
			"acme.azurecr.io",
			registry.Credential{Username: "user", Password: "pass", IdentityToken: "t"},
		},
		{
			"helper for the host", `{"credsStore":"broken","credHelpers":{"ghcr.io":"canary"}}`, "ghcr.io",
			registry.Credential{Username: "user of ghcr.io", Password: canary},
		},
		{
			"helper for all", `{"credsStore":"canary"}`, "ghcr.io",
			registry.Credential{Username: "user of ghcr.io", Password: canary},
		},
		{
			"helper for Docker Hub", `{"credHelpers":{"docker.io":"canary"}}`, "index.docker.io",
			registry.Credential{Username: "user of https-//index.docker.io/v1/", Password: canary},
		},
		{"helper with token", `{"credsStore":"token"}`, "ghcr.io", registry.Credential{IdentityToken: canary}},
		{"helper with nothing", `{"credsStore":"nothing"}`, "ghcr.io", registry.Credential{}},
		{
			"helper with nothing, file", `{"credsStore":"nothing","auths":{"ghcr.io":{"auth":"` + basic + `"}}}`,
			"ghcr.io", user,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := dockerKeychain(t, test.config).Lookup(t.Context(), test.host)
			if err != nil {
				t.Fatal(err)
			}
			if got != test.want {
				t.Errorf("got %q %q %q", got.Username, got.Password, got.IdentityToken)
			}
		})
	}
}

func TestKeychainErrors(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, config, want string }{
		{
			"broken helper", `{"credsStore":"broken"}`,
			"credentials for ghcr.io: docker-credential-broken: exit status 3",
		},
		{
			"garbled helper", `{"credsStore":"garbled"}`,
			`credentials for ghcr.io: docker-credential-garbled did not answer with {"Username":..., "Secret":...}`,
		},
		{
			"endless helper", `{"credsStore":"endless"}`, "credentials for ghcr.io: docker-credential-endless: it " +
				"printed more than 1 MiB " +
				`and was ended; it should answer with {"Username":..., "Secret":...}`,
		},
		{
			"no helper", `{"credsStore":"absent"}`, "credentials for ghcr.io: docker-credential-absent is not on PATH",
		},
		{"broken file", `{"auths":`, "credentials for ghcr.io: parsing config file (FILE): unexpected EOF"},
		{
			"broken entry", `{"auths":{"ghcr.io":{"auth":"` + canary + `"}}}`,
			"credentials for ghcr.io: parsing config file (FILE): illegal base64 data at input byte 6",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			keychain := dockerKeychain(t, test.config)
			_, err := keychain.Lookup(t.Context(), "ghcr.io")
			want := strings.ReplaceAll(test.want, "FILE", filepath.Join(keychain.DockerConfig, "config.json"))
			if err == nil || err.Error() != want {
				t.Errorf("got  %v\nwant %s", err, want)
			}
			if strings.Contains(fmt.Sprint(err), canary) {
				t.Error("the error holds the password")
			}
		})
	}
}

func TestKeychainAsksTheLoginsFirst(t *testing.T) {
	t.Parallel()
	keychain := dockerKeychain(t, `{"credsStore":"broken"}`,
		registry.Login{Address: "https://ghcr.io/acme", Username: "first", Password: "p"},
		registry.Login{Address: "ghcr.io", Username: "second", Password: "p"})
	got, err := keychain.Lookup(t.Context(), "ghcr.io")
	if err != nil || got.Username != "first" {
		t.Errorf("%s, %v", got.Username, err)
	}
	if _, err := keychain.Lookup(t.Context(), "docker.io"); err == nil {
		t.Error("another host was given the login")
	}
}

func TestKeychainReadsTheFileAtEachLookup(t *testing.T) {
	t.Parallel()
	keychain := dockerKeychain(t, `{}`)
	if got, err := keychain.Lookup(t.Context(), "ghcr.io"); err != nil || !got.Anonymous() {
		t.Fatalf("%s, %v", got.Username, err)
	}
	logged := []byte(`{"auths":{"ghcr.io":{"auth":"dXNlcjpwYXNz"}}}`)
	if err := os.WriteFile(filepath.Join(keychain.DockerConfig, "config.json"), logged, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := keychain.Lookup(t.Context(), "ghcr.io"); err != nil || got.Username != "user" {
		t.Errorf("%s, %v", got.Username, err)
	}
}

func TestSlowHelperEndsWithItsContext(t *testing.T) {
	t.Parallel()
	gone := errors.New("the user is gone")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 100*time.Millisecond, gone)
	defer cancel()
	start := time.Now()
	_, err := dockerKeychain(t, `{"credsStore":"slow"}`).Lookup(ctx, "ghcr.io")
	if !errors.Is(err, gone) || time.Since(start) > 20*time.Second {
		t.Errorf("after %s: %v", time.Since(start), err)
	}
}

func TestKeychainEnvironment(t *testing.T) {
	t.Setenv("DOCKER_CONFIG", dockerKeychain(t, `{"auths":{"ghcr.io":{"auth":"dXNlcjpwYXNz"}}}`).DockerConfig)
	keychain := registry.NewKeychain(nil)
	if got, err := keychain.Lookup(t.Context(), "ghcr.io"); err != nil || got.Username != "user" {
		t.Errorf("DOCKER_CONFIG: %s, %v", got.Username, err)
	}
	t.Setenv("DOCKER_AUTH_CONFIG", `{"auths":{"ghcr.io":{"auth":"Y2k6cGFzcw=="}}}`)
	if got, err := keychain.Lookup(t.Context(), "ghcr.io"); err != nil || got.Username != "ci" {
		t.Errorf("DOCKER_AUTH_CONFIG: %s, %v", got.Username, err)
	}
	t.Setenv("DOCKER_AUTH_CONFIG", canary)
	_, err := keychain.Lookup(t.Context(), "ghcr.io")
	want := `credentials for ghcr.io: DOCKER_AUTH_CONFIG is not like {"auths":{"ghcr.io":{"auth":"..."}}}`
	if err == nil || err.Error() != want {
		t.Error(err)
	}
}
