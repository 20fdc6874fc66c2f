package registry_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
)

// TestGoogleLogin uses application default credentials, which the library looks up once in the life of a process.
func TestGoogleLogin(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"access_token":"` + canary + `","token_type":"Bearer","expires_in":3600}`))
	}))
	t.Cleanup(server.Close)
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", serviceAccount(t, server.URL))
	keychain := dockerKeychain(t, `{"credsStore":"broken"}`)
	for _, host := range []string{"europe-docker.pkg.dev", "gcr.io", "eu.gcr.io"} {
		got, err := keychain.Lookup(t.Context(), host)
		if err != nil || got != (registry.Credential{Username: "_token", Password: canary}) {
			t.Errorf("%s: %s, %v", host, got.Username, err)
		}
	}
	for _, host := range []string{"gcr.io.example.com", "xgcr.io", "pkg.dev"} {
		if got, err := dockerKeychain(t, `{}`).Lookup(t.Context(), host); err != nil || !got.Anonymous() {
			t.Errorf("%s was given the credentials for Google: %v", host, err)
		}
	}
}

// serviceAccount writes the key file of a Google service account, and returns its path. tokens is the URL of its token
// server.
func serviceAccount(t *testing.T, tokens string) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	content, err := json.Marshal(map[string]string{
		"type": "service_account", "client_email": "ci@acme.iam.gserviceaccount.com", "token_uri": tokens,
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY",
			Bytes: x509.MarshalPKCS1PrivateKey(key)})),
	})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "account.json")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestGitHubLogin holds that docker login comes before GITHUB_TOKEN, which may not always push.
func TestGitHubLogin(t *testing.T) {
	t.Setenv("GITHUB_TOKEN", canary)
	t.Setenv("GITHUB_ACTOR", "octocat")
	tests := map[string]registry.Credential{
		`{}`: {Username: "octocat", Password: canary},
		`{"auths":{"ghcr.io":{"auth":"dXNlcjpwYXNz"}}}`: {Username: "user", Password: "pass"},
	}
	for config, want := range tests {
		if got, err := dockerKeychain(t, config).Lookup(t.Context(), "ghcr.io"); err != nil || got != want {
			t.Errorf("%s: %s, %v", config, got.Username, err)
		}
	}
	if got, err := dockerKeychain(t, `{}`).Lookup(t.Context(), "ghcr.io.example.com"); err != nil || !got.Anonymous() {
		t.Errorf("another host was given GITHUB_TOKEN: %v", err)
	}
}
