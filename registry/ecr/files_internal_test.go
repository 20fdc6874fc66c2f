//go:build unix

package ecr

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/file"
)

// TestAWSFilesAreChecked holds that a login to AWS waits for no FIFO, and reads neither a device nor a huge file.
func TestAWSFilesAreChecked(t *testing.T) {
	dir := t.TempDir()
	fifo, sparse := filepath.Join(dir, "fifo"), filepath.Join(dir, "sparse")
	err := errors.Join(syscall.Mkfifo(fifo, 0o600), os.WriteFile(sparse, nil, 0o600), os.Truncate(sparse, 40<<30))
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("HOME", dir)
	for variable := range files {
		t.Setenv(variable, "")
	}
	for variable := range files {
		for _, path := range []string{fifo, sparse, "/dev/zero"} {
			t.Run(variable+" at "+path, func(t *testing.T) {
				t.Setenv(variable, path)
				ctx, cancel := context.WithTimeoutCause(t.Context(), 10*time.Second, errors.New("it waits"))
				defer cancel()
				done := make(chan error, 1)
				go func() {
					_, err := newTokenCache().config(ctx, principal{region: "eu-west-1"})
					done <- err
				}()
				select {
				case err := <-done:
					if !errors.Is(err, file.ErrNotRegular) && !errors.As(err, new(*file.TooLargeError)) {
						t.Errorf("error %v", err)
					}
				case <-ctx.Done():
					t.Fatal("reading the configuration of AWS did not end")
				}
			})
		}
	}
}
