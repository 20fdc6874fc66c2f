//go:build unix

package inputs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A Dockerfile or an ignore file into which somebody has yet to write is refused: nothing waits for it.
func TestLoadWaitsForNoFIFO(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"Dockerfile", "Dockerfile.dockerignore", ".dockerignore", "lib/.dockerignore"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			write(t, dir, map[string]string{"Dockerfile": "FROM scratch\n", "lib/f": ""})
			path := filepath.Join(dir, name)
			_ = os.Remove(path)
			if err := unix.Mkfifo(path, 0o600); err != nil {
				t.Fatal(err)
			}
			files := Files{
				Context: dir, Dockerfile: filepath.Join(dir, "Dockerfile"),
				Named: map[string]string{"lib": filepath.Join(dir, "lib")},
			}
			err := loadSoon(t, path, files)
			if err == nil || !strings.HasPrefix(err.Error(), "read "+path+": it is a FIFO") {
				t.Errorf("got %v", err)
			}
		})
	}
}

// loadSoon loads, and frees a load that waits for the FIFO.
func loadSoon(t *testing.T, fifo string, files Files) error {
	t.Helper()
	done := make(chan error)
	go func() {
		_, err := Load(t.Context(), Plan{Files: files})
		done <- err
	}()
	select {
	case err := <-done:
		return err
	case <-time.After(10 * time.Second):
		if f, err := os.OpenFile(fifo, os.O_RDWR, 0); err == nil {
			_ = f.Close()
		}
		<-done
		t.Fatal("it waits")
	}
	return nil
}
