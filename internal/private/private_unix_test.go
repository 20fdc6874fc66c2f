//go:build unix

package private_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/private"
)

// stranger is the ID of another user: on most machines, nobody.
const stranger = 65534

// needsRoot skips a test that makes files of another user's.
func needsRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("NOT TESTED: only root makes files of other users: run the tests as root")
	}
}

// must fails the test if one of the steps to prepare it failed.
func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// safeFolder returns a folder of the test whose parents are safe.
func safeFolder(t *testing.T) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	must(t, err, os.Chmod(dir, 0o755))
	return dir
}

func wantUnsafe(t *testing.T, err error, path, reason string) {
	t.Helper()
	unsafe, ok := errors.AsType[*private.UnsafeError](err)
	if !ok || unsafe.Path != path || !strings.Contains(unsafe.Reason, reason) {
		t.Errorf("error %v, want one about %s that says %q", err, path, reason)
	}
}

// openCase is a case of TestOpenChecksTheWholePath.
type openCase struct {
	prepare func(dir string) error // makes dir/a, which is a folder of root's
	open    string
	unsafe  string // the part that is; "": none
	reason  string
}

// openCases are the cases of TestOpenChecksTheWholePath, by name.
var openCases = map[string]openCase{
	"new, below a new one": {open: "a/b/c"},
	"through links of root's": {
		prepare: func(dir string) error { return os.Symlink("../a", dir+"/a/link") },
		open:    "a/link/b",
	},
	"through an absolute link": {
		prepare: func(dir string) error { return os.Symlink(dir+"/a", dir+"/a/link") },
		open:    "a/link/b",
	},
	"sticky parent": {
		prepare: func(dir string) error { return os.Chmod(dir+"/a", 0o777|fs.ModeSticky) },
		open:    "a/b",
	},
	"parent of a stranger": {
		prepare: func(dir string) error { return os.Chown(dir+"/a", stranger, stranger) }, open: "a/b",
		unsafe: "a", reason: "belongs to user 65534",
	},
	"grandparent of a stranger": {
		prepare: func(dir string) error {
			return errors.Join(os.Mkdir(dir+"/a/b", 0o755), os.Chown(dir+"/a", stranger, stranger))
		},
		open: "a/b/c", unsafe: "a", reason: "belongs to user 65534",
	},
	"parent for everybody": {
		prepare: func(dir string) error { return os.Chmod(dir+"/a", 0o777) }, open: "a/b",
		unsafe: "a", reason: "its mode 0777 lets other users write",
	},
	"parent for a group": {
		prepare: func(dir string) error {
			return errors.Join(os.Chown(dir+"/a", 0, stranger), os.Chmod(dir+"/a", 0o775))
		}, open: "a/b",
		unsafe: "a", reason: "its mode 0775 lets other users write",
	},
	"parent for root's group": {
		prepare: func(dir string) error { return os.Chmod(dir+"/a", 0o775) }, open: "a/b",
		unsafe: "a", reason: "its mode 0775 lets other users write",
	},
	"a stranger's folder in a sticky parent": {
		prepare: func(dir string) error {
			return errors.Join(os.Chmod(dir+"/a", 0o777|fs.ModeSticky), os.Mkdir(dir+"/a/b", 0o700),
				os.Chown(dir+"/a/b", stranger, stranger))
		}, open: "a/b", unsafe: "a/b", reason: "belongs to user 65534",
	},
	"a stranger's link in a sticky parent": {
		prepare: func(dir string) error {
			return errors.Join(os.Chmod(dir+"/a", 0o777|fs.ModeSticky), os.Mkdir(dir+"/victim", 0o700),
				os.Symlink(dir+"/victim", dir+"/a/b"), os.Lchown(dir+"/a/b", stranger, stranger))
		}, open: "a/b", unsafe: "a/b", reason: "belongs to user 65534",
	},
	"a link to a stranger's folder": {
		prepare: func(dir string) error {
			return errors.Join(os.Mkdir(dir+"/theirs", 0o700), os.Chown(dir+"/theirs", stranger, stranger),
				os.Symlink(dir+"/theirs", dir+"/a/b"))
		}, open: "a/b/c", unsafe: "theirs", reason: "belongs to user 65534",
	},
	"a folder for everybody": {
		prepare: func(dir string) error {
			return errors.Join(os.Mkdir(dir+"/a/b", 0o700), os.Chmod(dir+"/a/b", 0o777))
		}, open: "a/b",
		unsafe: "a/b", reason: "its mode 0777 lets other users write",
	},
}

// A user who owns a part of the path, or may write there, could put another folder in its place.
func TestOpenChecksTheWholePath(t *testing.T) {
	t.Parallel()
	needsRoot(t)
	for name, test := range openCases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := safeFolder(t)
			must(t, os.Mkdir(dir+"/a", 0o755))
			if test.prepare != nil {
				must(t, test.prepare(dir))
			}
			f, err := private.Open(filepath.Join(dir, test.open))
			if test.unsafe != "" {
				wantUnsafe(t, err, filepath.Join(dir, test.unsafe), test.reason)
				if _, err := os.Lstat(filepath.Join(dir, "a/b/c")); err == nil {
					t.Error("it was made nevertheless")
				}
				return
			}
			must(t, err)
			defer f.Close()
			info, err := os.Stat(f.Path())
			must(t, err)
			if info.Mode().Perm() != 0o700 {
				t.Errorf("mode %o", info.Mode().Perm())
			}
			if real, _ := filepath.EvalSymlinks(f.Path()); real != f.Path() {
				t.Errorf("%s has links", f.Path())
			}
		})
	}
}

func TestOpenEndsInALoopOfLinks(t *testing.T) {
	t.Parallel()
	dir := safeFolder(t)
	must(t, os.Symlink("loop", dir+"/loop"))
	if _, err := private.Open(dir + "/loop/x"); !errors.Is(err, syscall.ELOOP) {
		t.Errorf("error %v", err)
	}
}

// The owner of HOME decides what root runs from there, so root trusts that user.
func TestTheOwnerOfHomeIsTrusted(t *testing.T) {
	needsRoot(t)
	home := safeFolder(t)
	must(t, os.Chown(home, stranger, stranger))
	_, err := private.Open(home + "/.cache/x")
	wantUnsafe(t, err, home, "belongs to user 65534")
	t.Setenv("HOME", home)
	f, err := private.Open(home + "/.cache/x")
	must(t, err)
	must(t, f.Close())
}
