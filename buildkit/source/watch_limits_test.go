//go:build linux

package source

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

const namespacesVariable = "TEST_IN_NAMESPACES"

// inNamespaces runs a test in a process with a user namespace, which has its own limits, and its own table of mounts.
// It returns true in that process.
func inNamespaces(t *testing.T) bool {
	t.Helper()
	if os.Getenv(namespacesVariable) != "" {
		return true
	}
	needWatch(t)
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), namespacesVariable+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		t.Skipf("no namespaces here: %v", err)
	}
	if err != nil {
		t.Errorf("%s", out)
	}
	t.Logf("%s", out)
	return false
}

// A scan without the means to watch works, and its tree counts as changed.
func TestWatchGivesUpAtTheLimitsOfTheKernel(t *testing.T) { //nolint:paralleltest // the limits are those of the process
	if !inNamespaces(t) {
		return
	}
	for _, limit := range []struct {
		name string
		most int
		want bool
	}{
		{"max_inotify_watches", 100, true}, {"max_inotify_watches", 2, false}, {"max_inotify_watches", 100, true},
		{"max_inotify_instances", 0, false},
	} {
		text := strconv.AppendInt(nil, int64(limit.most), 10)
		if err := os.WriteFile("/proc/sys/user/"+limit.name, text, 0o644); err != nil {
			t.Skip(err)
		}
		root := writeSampleTree(t)
		scanned, watch := scanWatched(t, root, sampleScope)
		if watch.IsUnchanged() != limit.want || scanned.Digest() != digestOf(t, root, sampleScope.Excludes...) {
			t.Errorf("%s = %d: unchanged is %v", limit.name, limit.most, !limit.want)
		}
		watch.Close()
	}
}

// A mount changes a tree, and inotify reports nothing.
func TestWatchSeesMounts(t *testing.T) { //nolint:paralleltest // the mounts are those of the process
	if !inNamespaces(t) {
		return
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		t.Skip(err)
	}
	bind := func(from, to string) error { return unix.Mount(from, to, "", unix.MS_BIND, "") }
	cases := map[string]struct {
		before, change func(root string) error
		watched        bool
	}{
		"a folder is mounted": {nil, func(r string) error { return bind(r+"/full", r+"/empty") }, true},
		"a file is mounted":   {nil, func(r string) error { return bind(r+"/other", r+"/dir/file") }, true},
		"the root is mounted": {nil, func(r string) error { return bind(r+"/dir", r) }, true},
		"it is mounted above": {
			nil, func(r string) error { return unix.Mount("tmpfs", filepath.Dir(r), "tmpfs", 0, "") }, true,
		},
		"a folder is no longer mounted": {
			func(r string) error { return bind(r+"/full", r+"/empty") },
			func(r string) error { return unix.Unmount(r+"/empty", 0) },
			false,
		},
		"a file that is mounted is written": {
			func(r string) error {
				return errors.Join(os.WriteFile(r+".file", nil, 0o644), bind(r+".file", r+"/dir/file"))
			},
			func(r string) error { return os.WriteFile(r+".file", []byte("B"), 0o644) }, false,
		},
		"a root that is mounted is written by its other name": {
			func(r string) error { return errors.Join(os.CopyFS(r+".real", os.DirFS(r)), bind(r+".real", r)) },
			func(r string) error { return os.WriteFile(r+".real/dir/file", []byte("B"), 0o644) }, true,
		},
	}
	for name, c := range cases {
		root := writeSampleTree(t)
		if c.before != nil {
			if err := c.before(root); err != nil {
				t.Fatal(name, err)
			}
		}
		_, watch := scanWatched(t, root, sampleScope)
		if watch.IsUnchanged() != c.watched {
			t.Errorf("%s: watched is %v, want %v", name, !c.watched, c.watched)
		}
		if err := c.change(root); err != nil {
			t.Fatal(name, err)
		}
		if watch.IsUnchanged() {
			t.Errorf("%s: the change is not seen", name)
		}
		// What is mounted could not be removed.
		for _, target := range []string{filepath.Dir(root), root, root + "/empty", root + "/dir/file"} {
			_ = unix.Unmount(target, unix.MNT_DETACH)
		}
	}
}
