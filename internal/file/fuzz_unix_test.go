//go:build unix

package file_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/file"
)

// No texts of two links, and no path over them, make a read leave the bounds.
func FuzzBounds(f *testing.F) {
	for _, seed := range [][3]string{
		{"../secret", "a", "a"}, {"TOP/secret", "a", "b"}, {"..", "a/..", "b/secret"},
		{"/proc/self/root", "a", "bTOP/secret"},
		{"b", "a", "a"}, {".git/config", "../p", "a"}, {"../p/../secret", "/", "b/TOP/secret"}, {"TOP/p", "a/a", "b/f"},
		{"", "\xff", "a//b/./.."},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	f.Fuzz(func(t *testing.T, one, two, path string) {
		top := makeTree(t, map[string]string{
			"secret": "secret", "p/f": "text", "p/.git/config": "secret", "p/d/f": "text",
		})
		for name, text := range map[string]string{"a": one, "b": two} {
			_ = os.Symlink(strings.ReplaceAll(text, "TOP", top), filepath.Join(top, "p", name)) // some texts are none
		}
		path = strings.ReplaceAll(path, "TOP", top)
		if strings.Contains(path, "..") || strings.Contains(path, ".git") || strings.ContainsRune(path, 0) {
			return // a program's own path may lead anywhere
		}
		content, err := file.Bounds{filepath.Join(top, "p")}.Read(t.Context(), filepath.Join(top, "p", path), 100)
		if err == nil && string(content) != "text" {
			t.Errorf("%q, %q, %q: read %q", one, two, path, content)
		}
		root, err := os.OpenRoot(filepath.Join(top, "p"))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = root.Close() }()
		inside, err := file.Within(root, path)
		if err != nil {
			return
		}
		defer func() { _ = inside.Close() }()
		content, err = file.ReadAll(t.Context(), inside, 100)
		if err != nil || !strings.HasPrefix(inside.Name(), filepath.Join(top, "p")) || len(content) > 6 {
			t.Errorf("%q, %q, %q: read %q of %s, %v", one, two, path, content, inside.Name(), err)
		}
	})
}
