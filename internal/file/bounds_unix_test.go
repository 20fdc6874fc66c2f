//go:build unix

package file_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/file"
)

// makeTree makes entries below a new folder, to which a link called alias leads as well. A name that ends in a slash is
// a folder, a text that begins with -> a link, and the text | a FIFO.
func makeTree(t *testing.T, entries map[string]string) string {
	t.Helper()
	top, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range entries {
		path := filepath.Join(top, name)
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		switch text, isLink := strings.CutPrefix(content, "->"); {
		case err != nil:
		case isLink:
			err = os.Symlink(strings.ReplaceAll(text, "TOP", top), path)
		case content == "|":
			err = unix.Mkfifo(path, 0o600)
		case strings.HasSuffix(name, "/"):
			err = os.MkdirAll(path, 0o755)
		default:
			err = os.WriteFile(path, []byte(content), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return top
}

// A read follows a link in the bounds only into the bounds, whatever its form and wherever in a path it is.
func TestBounds(t *testing.T) {
	t.Parallel()
	top := makeTree(t, map[string]string{
		"secret": "secret", "secrets/key": "secret", "outer/same": "->../secrets", "p/app/f": "text",
		"p/shared/f": "text", "p/.git/config": "secret", "p/.git/hooks/": "", "p/app/near": "->f", "p/app/dir": "->sub",
		"p/app/sub/f": "text", "p/app/shared": "->../shared/f", "p/app/absolute": "->TOP/p/shared/f",
		"p/app/aliased": "->TOP/alias/shared/f", "p/app/round": "->../../p/shared/f",
		"p/app/long": "->../../outer/../p/./shared//f", "p/app/out": "->../../secret", "p/app/outabs": "->TOP/secret",
		"p/app/chain": "->chain2", "p/app/chain2": "->out", "p/app/outdir": "->../../secrets",
		"p/app/none": "->../../nothing", "p/app/noneabs": "->/nothing/at/all", "p/app/environ": "->/proc/self/environ",
		"p/app/fd": "->/proc/self/fd/0", "p/app/root": "->/proc/self/root/etc/passwd",
		"p/app/cwd": "->/proc/self/cwd/file.go", "p/app/loop": "->loop", "p/app/dangling": "->gone",
		"p/app/fifo": "->pipe", "p/app/pipe": "|", "p/app/git": "->../.git/config", "p/outapp": "->../secrets",
		"p/linkapp": "->app", "alias": "->TOP/p", "machine": "->TOP/srv/v2", "srv/v2/f": "text",
		"srv/v2/out": "->../../secret", "srv/v2/in": "->f", "srv/v2/back": "->TOP/p/shared/f",
	})
	out := func(err error) bool { return errors.As(err, new(*file.LinkError)) }
	matches := func(want error) func(error) bool { return func(err error) bool { return errors.Is(err, want) } }
	for name, wrong := range map[string]func(error) bool{
		"p/app/f": nil, "p/app/near": nil, "p/app/dir/f": nil, "p/app/shared": nil, "p/app/absolute": nil,
		"p/app/aliased": nil, "p/app/round": nil, "p/app/long": nil, "p/linkapp/f": nil, "alias/app/shared": nil,
		"secret": nil, "outer/same/key": nil, "machine/f": nil, "machine/in": nil, "srv/v2/f": nil, "srv/v2/back": nil,
		"p/.git/config": nil, "p/app/out": out, "p/app/outabs": out, "p/app/chain": out, "p/app/outdir/key": out,
		"p/app/none": out, "p/app/noneabs": out, "p/app/environ": out, "p/app/fd": out, "p/app/root": out,
		"p/app/cwd": out, "p/outapp/key": out, "p/app/git": out, "alias/app/out": out, "machine/out": out,
		"srv/v2/out": out, "p/app/loop": matches(syscall.ELOOP), "p/app/dangling": matches(fs.ErrNotExist),
		"p/app/fifo": matches(file.ErrNotRegular), "p/app/sub": matches(syscall.EISDIR),
		"p/app/f/x": matches(syscall.ENOTDIR),
		"p/gone/f":  matches(fs.ErrNotExist),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bounds := file.Bounds{filepath.Join(top, "p"), filepath.Join(top, "p/app"), filepath.Join(top, "gone")}
			content, err := bounds.Read(t.Context(), filepath.Join(top, name), 10)
			switch {
			case wrong == nil && err != nil, wrong != nil && (err == nil || !wrong(err)):
				t.Fatalf("%q, error %v", content, err)
			case wrong != nil && strings.Contains(err.Error(), "no such file") && !errors.Is(err, fs.ErrNotExist):
				t.Errorf("the error tells what is there: %v", err)
			}
		})
	}
}

// A context outside of the project has its own bounds.
func TestBoundsOfAContextElsewhere(t *testing.T) {
	t.Parallel()
	top := makeTree(t, map[string]string{
		"p/shared": "text", "p/out": "->../secret", "p/context": "->../c", "secret": "secret",
		"c/project": "->../p/shared", "c/out": "->../secret", "c/via": "->../p/out", "c/d/": "",
	})
	bounds := file.Bounds{filepath.Join(top, "p"), filepath.Join(top, "c")}
	if _, err := bounds.Read(t.Context(), filepath.Join(top, "c/project"), 10); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"c/out", "c/via"} {
		if _, err := bounds.Read(t.Context(), filepath.Join(top, name), 10); !errors.As(err, new(*file.LinkError)) {
			t.Errorf("%s: error %v", name, err)
		}
	}
	bounds = file.Bounds{filepath.Join(top, "p"), filepath.Join(top, "p/context")}
	if _, err := bounds.Open(filepath.Join(top, "c/d")); !errors.As(err, new(*file.LinkError)) {
		t.Errorf("a bound that is a link out of the project: error %v", err)
	}
}

func TestBoundsOpenRoot(t *testing.T) {
	t.Parallel()
	top := makeTree(t, map[string]string{
		"p/in": "->d", "p/d/f": "x", "p/out": "->../etc", "etc/f": "x", "p/hooks": "->.git/hooks",
		"p/.git/hooks/f": "x", "machine": "->etc", "p/file": "x", "p/missing": "->../new",
	})
	bounds := file.Bounds{filepath.Join(top, "p")}
	for name, want := range map[string]bool{
		"p": true, "p/in": true, "p/d": true, "machine": true, "etc": true, "p/out": false, "p/hooks": false,
		"p/file": false, "p/missing": false, "p/gone": false,
	} {
		root, err := bounds.OpenRoot(filepath.Join(top, name))
		if (err == nil) != want {
			t.Errorf("OpenRoot %s: error %v", name, err)
		}
		if err == nil {
			_ = root.Close()
		}
	}
	for name, want := range map[string]bool{
		"p/new/deep": true, "p/in/new": true, "other/new": true, "machine/new": true, "p/out/new": false,
		"p/missing": false, "p/missing/new": false, "p/hooks/new": false, "p/file/new": false,
	} {
		root, err := bounds.MakeRoot(filepath.Join(top, name))
		if (err == nil) != want {
			t.Errorf("MakeRoot %s: error %v", name, err)
		}
		if err == nil {
			_ = root.Close()
		}
	}
	for _, name := range []string{"new", "etc/new/x", "p/.git/hooks/new"} {
		if _, err := os.Lstat(filepath.Join(top, name)); err == nil {
			t.Errorf("%s was made", name)
		}
	}
}

func TestWithin(t *testing.T) {
	t.Parallel()
	top := makeTree(t, map[string]string{
		"secret": "x", "c/f": "x", "c/near": "->f", "c/absolute": "->/f", "c/clamped": "->../../f",
		"c/out": "->../secret", "c/environ": "->/proc/self/environ", "c/loop": "->loop",
	})
	root, err := os.OpenRoot(filepath.Join(top, "c"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = root.Close() }()
	for name, want := range map[string]bool{
		"f": true, "near": true, "absolute": true, "clamped": true, "../f": true, "out": false, "environ": false,
		"loop": false,
	} {
		f, err := file.Within(root, name)
		if (err == nil) != want {
			t.Errorf("%s: error %v", name, err)
		}
		if err == nil {
			_ = f.Close()
		}
	}
}
