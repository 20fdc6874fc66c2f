//go:build unix

package file_test

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/file"
)

// listen makes a socket at a path, which must be short.
func listen(t *testing.T, path string) {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
}

// A path that a program writes may lead anywhere. A link of the project may not.
func TestReadNamed(t *testing.T) {
	top := makeTree(t, map[string]string{
		"secret": "text", "etc/ca": "->../usr/ca", "usr/ca": "text", "etc/dir": "->../usr", "etc/back": "->../p/f",
		"etc/bad": "->../p/out", "p/f": "text", "p/near": "->f", "p/sub/up": "->../f", "p/out": "->../secret",
		"p/outdir": "->../usr", "p/via": "->../etc/ca", "p/environ": "->/proc/self/environ", "p/chain": "->near",
		"p/badchain": "->out", "p/git": "->.git/config", "p/.git/config": "secret", "p/deep": "->sub/er",
		"p/sub/er/f": "text", "p/loop": "->loop", "p/gone": "->nothing",
	})
	t.Chdir(filepath.Join(top, "p"))
	out := func(err error) bool { return errors.As(err, new(*file.LinkError)) }
	gone := func(err error) bool { return errors.Is(err, fs.ErrNotExist) }
	for path, wrong := range map[string]func(error) bool{
		"f": nil, "./near": nil, "chain": nil, "sub/up": nil, "../secret": nil, "../etc/ca": nil, "../etc/dir/ca": nil,
		"../etc/back": nil, "sub/../f": nil, "deep/../../f": nil, "TOP/secret": nil, "TOP/p/near": nil,
		".git/config": func(err error) bool { return err == nil },
		"out":         out, "outdir/ca": out, "via": out, "environ": out, "badchain": out, "git": out,
		"../etc/bad": out, "TOP/p/out": out,
		"": gone, "nothing": gone, "gone": gone, "loop": func(err error) bool { return err != nil },
	} {
		named := path
		if len(path) > 3 && path[:3] == "TOP" {
			named = top + path[3:]
		}
		content, err := file.Project(filepath.Join(top, "p")).ReadNamed(t.Context(), named, 10)
		if wrong == nil && (err != nil || string(content) != "text") || wrong != nil && !wrong(err) {
			t.Errorf("%s: %q, error %v", path, content, err)
		}
	}
	if content, err := file.Project("").ReadNamed(t.Context(), "out", 10); err != nil || string(content) != "text" {
		t.Errorf("without a project: %q, %v", content, err)
	}
}

// No link of the project leads to a socket. The user's own links lead to sockets anywhere.
func TestFindSocket(t *testing.T) {
	t.Parallel()
	top, err := os.MkdirTemp("", "s") //nolint:usetesting // a short path
	if err == nil {
		top, err = filepath.EvalSymlinks(top)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(top) })
	err = errors.Join(os.MkdirAll(filepath.Join(top, "p/d"), 0o700),
		os.WriteFile(filepath.Join(top, "p/f"), nil, 0o600))
	for link, text := range map[string]string{
		"mine": "agent", "p/out": "../agent", "p/in": "s", "p/dir": "d", "p/file": "f", "p/up": "..",
	} {
		err = errors.Join(err, os.Symlink(text, filepath.Join(top, link)))
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"agent", "p/s", "p/d/s"} {
		listen(t, filepath.Join(top, path))
	}
	for path, want := range map[string]string{
		"agent": "agent", "mine": "agent", "p/s": "p/s", "p/d/s": "p/d/s", "p/f": "", "p/file": "", "p/d": "",
		"p/out": "error", "p/in": "error", "p/dir/s": "error", "p/up/agent": "error", "p/gone": "error",
	} {
		socket, err := file.Project(filepath.Join(top, "p")).FindSocket(filepath.Join(top, path))
		switch {
		case want == "error" && err == nil, want != "error" && err != nil:
			t.Errorf("%s: at %q, error %v", path, socket, err)
		case want != "error" && want != "" && socket != filepath.Join(top, want), want == "" && socket != "":
			t.Errorf("%s: at %q, want %q", path, socket, want)
		}
	}
}
