//go:build linux

package daemon_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon"
)

// stranger is another user: on most machines, nobody.
const stranger = 65534

// writeFiles writes files below dir; a name that ends in a slash is a folder.
func writeFiles(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if strings.HasSuffix(name, "/") {
			must(t, os.MkdirAll(path, 0o755))
			continue
		}
		must(t, os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644))
	}
}

// must fails the test if one of the errors is not nil.
func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// snapshot describes everything below dir, and dir itself.
func snapshot(t *testing.T, dir string) string {
	t.Helper()
	var text strings.Builder
	must(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		content := ""
		if info.Mode().IsRegular() {
			data, _ := os.ReadFile(path)
			content = string(data)
		}
		fmt.Fprintf(&text, "%s %s %s %q\n", path, info.Mode(), info.ModTime(), content)
		return err
	}))
	return text.String()
}

// wantRefused fails the test unless Acquire refuses the folder dir with the fault, and the error has the texts.
func wantRefused(t *testing.T, dir string, fault daemon.Fault, texts ...string) {
	t.Helper()
	lease, err := daemon.Acquire(t.Context(), daemon.Options{Dir: dir, Idle: time.Second, Limit: patience})
	if err == nil {
		_ = lease.Release()
		t.Fatal("a daemon was started in the folder")
	}
	wantFault(t, err, fault)
	wantTexts(t, err.Error(), append(texts, dir)...)
}

// wantFault fails the test unless the error has the fault.
func wantFault(t *testing.T, err error, fault daemon.Fault) {
	t.Helper()
	if e, ok := errors.AsType[*daemon.Error](err); !ok || e.Fault != fault {
		t.Errorf("%#v does not have fault %d", err, fault)
	}
}

// A folder that the provider did not make stays as it is, mode and times included.
func TestFolderOfSomebodyElsesIsLeftAlone(t *testing.T) {
	t.Parallel()
	skipWithoutDaemon(t)
	for name, files := range map[string]map[string]string{
		"a project": {"src/main.go": "package main", "tmp/notes": "mine", "buildkitd.log": "mine"},
		"names of ours": {"tmp/notes": "mine", "root/runc-x/executor/y/z": "mine",
			"buildkitd.log": "mine", "keeper.log": "mine"},
		"a folder trust-":          {"trust-0123abcd/tmp/mine": "mine"},
		"locks of another program": {"clients.lock": "7", "start.lock": "7", "alive.lock": "7", "tmp/x": "mine"},
		"another buildkitd": {"buildkitd.toml": "root = \"/x\"", "root/buildkitd.lock": "",
			"buildkitd.sock": ""},
		"locks and a file of no ours": {"clients.lock": "", "start.lock": "", "alive.lock": "", "mine": "mine"},
		"a marker of somebody else's": {"pulumi-buildkit.txt": "shopping list", "tmp/x": "mine"},
		"a later release's": {"pulumi-buildkit.txt": "pulumi-buildkit daemon folder, format 2\n",
			"tmp/x": "theirs"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "d")
			must(t, os.Mkdir(dir, 0o755))
			writeFiles(t, dir, files)
			before := snapshot(t, dir)
			fault := daemon.FolderForeign
			if name == "a later release's" {
				fault = daemon.FolderNewer
			}
			wantRefused(t, dir, fault)
			if after := snapshot(t, dir); after != before {
				t.Errorf("it was\n%s\nand is\n%s", before, after)
			}
		})
	}
}

// markedFiles are the files of a folder that has the marker and nothing else.
var markedFiles = map[string]string{"pulumi-buildkit.txt": "pulumi-buildkit daemon folder, format 1\n"}

// foldersThatOthersReach are folders that other users can write to or replace.
var foldersThatOthersReach = map[string]struct {
	files   map[string]string
	prepare func(dir string) error // of the folder, which is below another one
	fault   daemon.Fault
	texts   []string
}{
	"a stranger's": {
		prepare: func(dir string) error { return os.Chown(dir, stranger, stranger) },
		fault:   daemon.ParentOwner,
		texts:   []string{"belongs to user 65534"},
	},
	"marked, and for everybody": {
		files:   markedFiles,
		prepare: func(dir string) error { return os.Chmod(dir, 0o777) },
		fault:   daemon.FolderShared,
		texts:   []string{"its mode 0777 lets other users write"},
	},
	"marked, sticky": {
		files:   markedFiles,
		prepare: func(dir string) error { return os.Chmod(dir, 0o777|fs.ModeSticky) },
		fault:   daemon.FolderShared,
		texts:   []string{"its mode 0777 lets other users write"},
	},
	"marked, and for a group": {
		files:   markedFiles,
		prepare: func(dir string) error { return errors.Join(os.Chown(dir, 0, stranger), os.Chmod(dir, 0o770)) },
		fault:   daemon.FolderShared,
		texts:   []string{"its mode 0770"},
	},
	"below a folder of another user": {
		prepare: func(dir string) error { return os.Chown(filepath.Dir(dir), stranger, stranger) },
		fault:   daemon.ParentOwner,
		texts:   []string{"belongs to user 65534"},
	},
	"below a folder that everybody may write to": {
		prepare: func(dir string) error { return os.Chmod(filepath.Dir(dir), 0o777) },
		fault:   daemon.ParentShared,
		texts:   []string{"its mode 0777 lets"},
	},
	"a marker that is a link": {
		prepare: func(dir string) error { return os.Symlink("/etc/hostname", dir+"/pulumi-buildkit.txt") },
		fault:   daemon.FolderPlanted,
		texts:   []string{"it is a link"},
	},
	"a marker that is a FIFO": {
		prepare: func(dir string) error { return unix.Mkfifo(dir+"/pulumi-buildkit.txt", 0o600) },
		fault:   daemon.FolderPlanted,
		texts:   []string{"it is a FIFO"},
	},
	"a marker that is a stranger's": {
		files:   markedFiles,
		prepare: func(dir string) error { return os.Chown(dir+"/pulumi-buildkit.txt", stranger, stranger) },
		fault:   daemon.FolderPlanted,
		texts:   []string{"belongs to user 65534"},
	},
}

// A folder that other users could write to or replace is neither used nor changed.
func TestFolderThatOthersReach(t *testing.T) {
	t.Parallel()
	skipWithoutDaemon(t)
	for name, test := range foldersThatOthersReach {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "parent", "d")
			must(t, os.MkdirAll(dir, 0o755))
			writeFiles(t, dir, test.files)
			must(t, test.prepare(dir))
			before := snapshot(t, dir)
			wantRefused(t, dir, test.fault, test.texts...)
			if after := snapshot(t, dir); after != before {
				t.Errorf("it was\n%s\nand is\n%s", before, after)
			}
		})
	}
}

// A new volume of a container is empty, and everybody can write to it.
func TestEmptyFolderForEverybody(t *testing.T) {
	t.Parallel()
	skipWithoutDaemon(t)
	dir := filepath.Join(t.TempDir(), "d")
	must(t, os.Mkdir(dir, 0o700), os.Chmod(dir, 0o777))
	_, err := daemon.Acquire(t.Context(), daemon.Options{Dir: dir, Keeper: []string{"true"}})
	if err == nil || !strings.Contains(err.Error(), "its keeper ended before the daemon was ready") {
		t.Errorf("error %v", err)
	}
	info, err := os.Stat(dir)
	must(t, err)
	if info.Mode().Perm() != 0o700 {
		t.Errorf("mode %o", info.Mode().Perm())
	}
}

// Many clients that start at once on a new folder do not take each other's first files for those of somebody else.
func TestManyClaimAtOnce(t *testing.T) {
	t.Parallel()
	skipWithoutDaemon(t)
	for range 20 {
		dir := filepath.Join(t.TempDir(), "d")
		errs := make(chan error)
		for range 8 {
			go func() {
				_, err := daemon.Acquire(t.Context(), daemon.Options{Dir: dir, Keeper: []string{"true"}})
				errs <- err
			}()
		}
		for range 8 {
			err := <-errs
			if err == nil || !strings.Contains(err.Error(), "its keeper ended before the daemon was ready") {
				t.Errorf("error %v", err)
			}
		}
	}
}
