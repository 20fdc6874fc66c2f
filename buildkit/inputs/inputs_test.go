package inputs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/source"
)

func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// project is a main context with an ignore file, and a named one with its own.
func project(t *testing.T) Files {
	t.Helper()
	dir, named := t.TempDir(), t.TempDir()
	write(t, dir, map[string]string{
		"Dockerfile":    "FROM scratch\n",
		".dockerignore": "*.log\n.dockerignore\n",
		"main.go":       "package main",
		"x.log":         "",
	})
	write(t, named, map[string]string{".dockerignore": "*.md", "x.log": "", "x.md": ""})
	return Files{Context: dir, Named: map[string]string{"lib": named}, Dockerfile: filepath.Join(dir, "Dockerfile")}
}

func hashOf(t *testing.T, f Files) string {
	t.Helper()
	in, err := Load(t.Context(), Plan{Files: f, WatchAll: true})
	if err != nil {
		t.Fatal(err)
	}
	return in.Hash()
}

// hashChangeCase is a case of TestHashChangesWithWhatTheBuildReads.
type hashChangeCase struct {
	change func(t *testing.T, f *Files)
	differ bool
}

// hashChangeCases are the cases of TestHashChangesWithWhatTheBuildReads, by name.
var hashChangeCases = map[string]hashChangeCase{
	"a file": {
		func(t *testing.T, f *Files) { write(t, f.Context, map[string]string{"main.go": "x"}) },
		true,
	},
	"the Dockerfile": {
		func(t *testing.T, f *Files) { write(t, f.Context, map[string]string{"Dockerfile": "FROM a"}) },
		true,
	},
	"an ignored file": {
		func(t *testing.T, f *Files) { write(t, f.Context, map[string]string{"x.log": "more"}) },
		false,
	},
	"a file of the named context": {
		func(t *testing.T, f *Files) { write(t, f.Named["lib"], map[string]string{"x.log": "more"}) },
		true,
	},
	"a file that it ignores itself": {
		func(t *testing.T, f *Files) { write(t, f.Named["lib"], map[string]string{"x.md": "more"}) },
		false,
	},
	"an ignore file of the Dockerfile's own": {func(t *testing.T, f *Files) {
		write(t, f.Context, map[string]string{
			"Dockerfile.dockerignore": "x.log\n.dockerignore\nDockerfile.dockerignore\n",
		})
	}, false},
	"what that one does not ignore": {func(t *testing.T, f *Files) {
		write(t, f.Context, map[string]string{
			"Dockerfile.dockerignore": ".dockerignore\nDockerfile.dockerignore\n",
		})
	}, true},
	"the name of a context": {
		func(_ *testing.T, f *Files) { f.Named = map[string]string{"other": f.Named["lib"]} },
		true,
	},
	"the same text inline": {func(_ *testing.T, f *Files) {
		f.Dockerfile, f.Inline = "", []byte("FROM scratch\n")
	}, false},
	"another place": {func(t *testing.T, f *Files) {
		moved := filepath.Join(t.TempDir(), "moved")
		if err := os.Rename(f.Context, moved); err != nil {
			t.Fatal(err)
		}
		f.Context, f.Dockerfile = moved, filepath.Join(moved, "Dockerfile")
	}, false},
}

func TestHashChangesWithWhatTheBuildReads(t *testing.T) {
	t.Parallel()
	cases := hashChangeCases
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			files := project(t)
			before := hashOf(t, files)
			c.change(t, &files)
			if got := hashOf(t, files) != before; got != c.differ {
				t.Errorf("the hash changed: %v, want %v", got, c.differ)
			}
		})
	}
}

func TestLoadNamesWhatCannotBeRead(t *testing.T) {
	t.Parallel()
	files := project(t)
	files.Dockerfile += ".nope"
	_, err := Load(t.Context(), Plan{Files: files})
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func TestLoadNamesTheIgnoreFileThatCannotBeUnderstood(t *testing.T) {
	t.Parallel()
	files := project(t)
	write(t, files.Named["lib"], map[string]string{".dockerignore": "*.md\n!\n"})
	_, err := Load(t.Context(), Plan{Files: files, WatchAll: true})
	want := "ignore file of " + files.Named["lib"] + `: illegal exclusion pattern: "!"`
	if named := new(NamedContextError); !errors.As(err, &named) || named.Name != "lib" || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// Lists that read the same one after the other are not the same scope.
func TestNoTwoScopesHaveOneKey(t *testing.T) {
	t.Parallel()
	seen := map[string]source.Scope{}
	for _, scope := range []source.Scope{
		{}, {
			Includes: []string{},
		}, {
			Includes: []string{"whole"},
		}, {Excludes: []string{"whole"}}, {Includes: []string{"a"}, Excludes: []string{"b"}},
		{
			Includes: []string{"a", "b"},
		}, {
			Excludes: []string{"a", "b"},
		}, {Includes: []string{"a", "without"}}, {Includes: []string{"a"}, Excludes: []string{"without"}},
		{Includes: []string{"1"}}, {Includes: []string{"1", "0"}}, {Includes: []string{"1"}, Excludes: []string{"0"}},
	} {
		key := newSharedKey()
		key.add(localContext{dir: "."}, scope)
		if other, taken := seen[key.String()]; taken {
			t.Errorf("%+v has the key of %+v", scope, other)
		}
		seen[key.String()] = scope
	}
}
