package daemontest

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// MountDisk mounts a file system of 100 MiB, as a disk has one, at dir, until the test ends. options are for mkfs.ext4.
// It skips the test where no file can be mounted.
func MountDisk(t testing.TB, dir string, options ...string) {
	t.Helper()
	SkipWithoutDaemon(t)
	image := filepath.Join(t.TempDir(), "disk")
	err := errors.Join(os.MkdirAll(dir, 0o700), os.WriteFile(image, nil, 0o600), os.Truncate(image, 100<<20))
	if err != nil {
		t.Fatal(err)
	}
	arguments := append(append([]string{"-q", "-m", "0"}, options...), image)
	if text, err := exec.CommandContext(t.Context(), "mkfs.ext4", arguments...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	mount := exec.CommandContext(t.Context(), "mount", "-o", "loop", image, dir)
	if text, err := mount.CombinedOutput(); err != nil {
		t.Skipf("NOT TESTED: no file can be mounted as a disk here: %v: %s", err, text)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
}

// FillDisk writes a file until no more than left bytes are free on the disk of dir, and returns its path. If left is 0,
// not a single byte can be written afterwards.
func FillDisk(t testing.TB, dir string, left uint64) (path string) {
	t.Helper()
	path = filepath.Join(dir, "lost+found", "filler")
	filler, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = filler.Close() }()
	var disk unix.Statfs_t
	if err := unix.Statfs(dir, &disk); err != nil {
		t.Fatal(err)
	}
	if rest := int64(disk.Bavail)*disk.Bsize - int64(max(left, 1<<20)); rest > 0 {
		info, err := filler.Stat()
		if err == nil {
			err = unix.Fallocate(int(filler.Fd()), 0, info.Size(), rest)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for size := 64 << 10; left == 0 && size > 0; {
		if _, err := filler.Write(make([]byte, size)); errors.Is(err, unix.ENOSPC) {
			size /= 16
		} else if err != nil {
			t.Fatal(err)
		}
	}
	return path
}
