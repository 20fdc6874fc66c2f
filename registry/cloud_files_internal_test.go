//go:build unix

package registry

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/file"
)

// TestCredentialFilesAreChecked holds that a lookup waits for no FIFO, and reads neither a device nor a huge file,
// where it looks for a credential.
func TestCredentialFilesAreChecked(t *testing.T) {
	dir := t.TempDir()
	fifo, sparse := filepath.Join(dir, "config.json"), filepath.Join(dir, "sparse")
	err := errors.Join(syscall.Mkfifo(fifo, 0o600), os.WriteFile(sparse, nil, 0o600), os.Truncate(sparse, 40<<30))
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("HOME", dir)
	read := map[string]func(ctx context.Context) error{
		"docker's config.json": func(ctx context.Context) error {
			keychain := NewKeychain(nil)
			keychain.DockerConfig = dir
			_, err := keychain.Lookup(ctx, "registry.example.com")
			return err
		},
		"a CA file": func(ctx context.Context) error {
			_, err := withCA(ctx, http.DefaultTransport, Login{Address: "registry.example.com", CAFile: fifo})
			return err
		},
		"a CA file that is a device": func(ctx context.Context) error {
			_, err := withCA(ctx, http.DefaultTransport, Login{Address: "registry.example.com", CAFile: "/dev/zero"})
			return err
		},
	}
	for variables, lookup := range map[string]func(context.Context) error{
		"GOOGLE_APPLICATION_CREDENTIALS": askGoogle, "AZURE_FEDERATED_TOKEN_FILE": askMicrosoft,
	} {
		for _, path := range []string{fifo, sparse, "/dev/zero"} {
			read[variables+" at "+path] = func(ctx context.Context) error {
				t.Setenv(variables, path)
				defer t.Setenv(variables, "")
				return lookup(ctx)
			}
		}
	}
	for name, lookup := range read {
		ctx, cancel := context.WithTimeoutCause(t.Context(), 10*time.Second, errors.New("it waits"))
		done := make(chan error, 1)
		go func() { done <- lookup(ctx) }()
		select {
		case err := <-done:
			if !errors.Is(err, file.ErrNotRegular) && !errors.As(err, new(*file.TooLargeError)) {
				t.Errorf("%s: error %v", name, err)
			}
		case <-ctx.Done():
			t.Fatalf("%s: it waits", name)
		}
		cancel()
	}
}

func askGoogle(ctx context.Context) error { _, err := clouds[0].ask(ctx, "gcr.io"); return err }

func askMicrosoft(ctx context.Context) error {
	_, err := azure{identity: azureIdentity}.credential(ctx, "x.azurecr.io")
	return err
}
