package inputs

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/file"
)

// What is larger than a Dockerfile or an ignore file can be is not read.
func TestLoadReadsNoFileWithoutEnd(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"Dockerfile", "Dockerfile.dockerignore", ".dockerignore", "lib/.dockerignore"} {
		dir := t.TempDir()
		write(t, dir, map[string]string{"Dockerfile": "FROM scratch\n", "lib/f": "", name: ""})
		if err := os.Truncate(filepath.Join(dir, name), 40<<30); err != nil {
			t.Fatal(err)
		}
		files := Files{
			Context:    dir,
			Dockerfile: filepath.Join(dir, "Dockerfile"),
			Named:      map[string]string{"lib": filepath.Join(dir, "lib")},
		}
		if _, err := Load(t.Context(), Plan{Files: files}); !errors.As(err, new(*file.TooLargeError)) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

// What is no file is no ignore file, as to BuildKit.
func TestWhatIsNoFileIsNoIgnoreFile(t *testing.T) {
	t.Parallel()
	links := map[string]string{
		"dangling":        "nowhere",
		"loop":            "loop",
		"below a file":    "file/x",
		"a folder":        "d",
		"too long a name": strings.Repeat("x", 300),
	}
	dir := t.TempDir()
	write(t, dir, map[string]string{"file": "", "d/x": ""})
	for name, text := range links {
		if err := os.Symlink(text, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		if data, err := new(Texts).readIgnoreFile(t.Context(), Files{Context: dir}, dir, name); data != nil ||
			err != nil {
			t.Errorf("%s: %q, %v", name, data, err)
		}
	}
}

// A million patterns would be a million regular expressions.
func TestLoadRefusesTooManyPatterns(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{
		patternLimit:     "",
		patternLimit + 1: "it has 10001 patterns: 10000 are the most",
	} {
		dir := t.TempDir()
		write(t, dir, map[string]string{
			"Dockerfile":    "FROM scratch\nCOPY . /\n",
			".dockerignore": strings.Repeat("*?a*\n", n),
		})
		_, err := Load(t.Context(), Plan{Files: Files{Context: dir, Dockerfile: filepath.Join(dir, "Dockerfile")}})
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%d patterns: %v", n, err)
		}
	}
}
