package inputs

import (
	"os"
	"path/filepath"
	"testing"
)

// What something else writes into a context counts where the Dockerfile reads it, and nowhere else.
func TestMayRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{".dockerignore": "*.tar\nleft\n!left/in\n", "src/file": "x"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	named := map[string]string{"lib": filepath.Join(dir, "src")}
	for dockerfile, want := range map[string]map[string]bool{
		"FROM scratch\nCOPY out/site/index.html /\n": {
			"out": true, "out/site": true, "out/site/index.html": true, "out/other": false, "src": false,
			".": true, "..": true, "../x": false,
		},
		"FROM scratch\nCOPY . /\n": {
			"out":      true,
			"x.tar":    false,
			"left":     true,
			"left/in":  true,
			"left/out": false,
		},
		"FROM scratch\nCOPY out*/file /\n":    {"out1": true},
		"FROM scratch\n":                      {"out": false, ".": false},
		"FROM scratch\nCOPY --from=lib a /\n": {"src": true, "src/a": true, "src/b": false, "out": false},
		"FROM scratch\nARG X\nCOPY $X /\n":    {"out": true, "x.tar": false},
	} {
		plan := Plan{Files: Files{Context: dir, Inline: []byte(dockerfile), Named: named}, UnknownArgs: []string{"X"}}
		in, err := Load(t.Context(), plan)
		if err != nil {
			t.Fatal(err)
		}
		for path, read := range want {
			if got := in.MayRead(t.Context(), filepath.Join(dir, path)); got != read {
				t.Errorf("%q reads %s: %v", dockerfile, path, got)
			}
		}
	}
}
