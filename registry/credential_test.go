package registry_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
)

// TestSecretsPrintAsNothing tries every way in which values reach logs, errors and state.
func TestSecretsPrintAsNothing(t *testing.T) {
	t.Parallel()
	login := registry.Login{Address: "ghcr.io", Username: "user-hunter2", Password: "hunter2"}
	credential := registry.Credential{Username: "user-hunter2", Password: "hunter2", IdentityToken: "token-hunter2"}
	values := map[string]any{
		"[credential]": credential,
		"[login]":      login,
		"[keychain]":   registry.NewKeychain([]registry.Login{login}),
	}
	for want, value := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
			if got := fmt.Sprintf(verb, value); got != want {
				t.Errorf("%s gives %s, want %s", verb, got, want)
			}
		}
	}
	nested := struct {
		C *registry.Credential
		L []registry.Login
	}{&credential, []registry.Login{login}}
	encoded, err := json.Marshal(nested)
	if err != nil {
		t.Fatal(err)
	}
	var logged bytes.Buffer
	for _, handler := range []slog.Handler{slog.NewTextHandler(&logged, nil), slog.NewJSONHandler(&logged, nil)} {
		slog.New(handler).Info("message", "credential", credential, "login", login, "both", nested)
	}
	client := registry.New(registry.NewKeychain([]registry.Login{login}), registry.Options{})
	all := fmt.Sprintf("%s %s %+v %#v", encoded, logged.String(), nested, client)
	if strings.Contains(all, "hunter2") {
		t.Error(all)
	}
}

func TestLoginHost(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"ghcr.io":                     "ghcr.io",
		"GHCR.io ":                    "ghcr.io",
		"https://ghcr.io":             "ghcr.io",
		"https://index.docker.io/v1/": "docker.io",
		"registry-1.docker.io":        "docker.io",
		"docker.io":                   "docker.io",
		"123456789012.dkr.ecr.eu-west-1.amazonaws.com/repo": "123456789012.dkr.ecr.eu-west-1.amazonaws.com",
		"http://localhost:5000/v2/":                         "localhost:5000",
		"[::1]:5000":                                        "[::1]:5000",
	}
	for address, want := range tests {
		if got := (registry.Login{Address: address}).Host(); got != want {
			t.Errorf("%s is %s, want %s", address, got, want)
		}
	}
}
