package buildkit

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/file"
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
			if err := loadSoon(t, path, Files{Context: dir, Dockerfile: filepath.Join(dir, "Dockerfile"), Named: map[string]string{"lib": filepath.Join(dir, "lib")}}); err == nil ||
				!strings.HasPrefix(err.Error(), "read "+path+": it is a FIFO") {
				t.Errorf("got %v", err)
			}
		})
	}
}

// What is larger than a Dockerfile or an ignore file can be is not read.
func TestLoadReadsNoFileWithoutEnd(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"Dockerfile", "Dockerfile.dockerignore", ".dockerignore", "lib/.dockerignore"} {
		dir := t.TempDir()
		write(t, dir, map[string]string{"Dockerfile": "FROM scratch\n", "lib/f": "", name: ""})
		if err := os.Truncate(filepath.Join(dir, name), 40<<30); err != nil {
			t.Fatal(err)
		}
		files := Files{Context: dir, Dockerfile: filepath.Join(dir, "Dockerfile"), Named: map[string]string{"lib": filepath.Join(dir, "lib")}}
		if _, err := Load(t.Context(), Plan{Files: files}); !errors.As(err, new(*file.TooLargeError)) {
			t.Errorf("%s: error %v", name, err)
		}
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

// What is no file is no ignore file, as to BuildKit.
func TestWhatIsNoFileIsNoIgnoreFile(t *testing.T) {
	t.Parallel()
	links := map[string]string{"dangling": "nowhere", "loop": "loop", "below a file": "file/x", "a folder": "d", "too long a name": strings.Repeat("x", 300)}
	dir := t.TempDir()
	write(t, dir, map[string]string{"file": "", "d/x": ""})
	for name, text := range links {
		if err := os.Symlink(text, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		if data, err := new(Definition).readOptional(t.Context(), Files{Context: dir}, dir, name); data != nil || err != nil {
			t.Errorf("%s: %q, %v", name, data, err)
		}
	}
}

// A million patterns would be a million regular expressions.
func TestLoadRefusesTooManyPatterns(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{patternLimit: "", patternLimit + 1: "it has 10001 patterns: 10000 are the most"} {
		dir := t.TempDir()
		write(t, dir, map[string]string{"Dockerfile": "FROM scratch\nCOPY . /\n", ".dockerignore": strings.Repeat("*?a*\n", n)})
		_, err := Load(t.Context(), Plan{Files: Files{Context: dir, Dockerfile: filepath.Join(dir, "Dockerfile")}})
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%d patterns: %v", n, err)
		}
	}
}
