package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// Folders, times, the umask and the order of arguments do not change an archive. Whether a file may be executed does.
func TestTheSameFilesAreTheSameArchive(t *testing.T) {
	t.Parallel()
	first := archive(t, t.TempDir(), 0o700, 0o600, "tool", "LICENSE")
	if again := archive(t, t.TempDir(), 0o755, 0o664, "LICENSE", "tool"); !bytes.Equal(first, again) {
		t.Error("two archives of the same files differ")
	}
	if plain := archive(t, t.TempDir(), 0o600, 0o600, "tool", "LICENSE"); bytes.Equal(first, plain) {
		t.Error("a tool that cannot be executed makes no difference")
	}
}

func archive(t *testing.T, folder string, tool, license os.FileMode, order ...string) []byte {
	t.Helper()
	for name, mode := range map[string]os.FileMode{"tool": tool, "LICENSE": license} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte("content of "+name), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Join(folder, name), mode); err != nil {
			t.Fatal(err)
		}
	}
	out := filepath.Join(folder, "out.tar.gz")
	files := []string{filepath.Join(folder, order[0]), filepath.Join(folder, order[1])}
	if err := run(out, time.Unix(1700000000, 0), files); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// A file with a folder before it stands in that folder.
func TestFolders(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "tool")
	if err := os.WriteFile(path, []byte("content"), 0o700); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := write(&out, time.Unix(1700000000, 0), []string{path, "linux-arm64=" + path}); err != nil {
		t.Fatal(err)
	}
	zip, err := gzip.NewReader(&out)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for archive := tar.NewReader(zip); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, header.Name)
	}
	if want := []string{"linux-arm64/tool", "tool"}; !slices.Equal(names, want) {
		t.Errorf("got %v, want %v", names, want)
	}
}
