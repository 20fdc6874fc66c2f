//go:build linux

package daemon_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon"
)

// mountSmallDisk mounts a file system of this size (as "256k") and returns its folder.
func mountSmallDisk(t *testing.T, size string) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("NOT TESTED: mounting a file system needs root: run the tests as root")
	}
	dir := newDaemonFolder(t)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "mode=0700,size="+size); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	return dir
}

// A daemon without space for its log cannot say why it exits. The error of the client says that the disk is full.
func TestAFullDiskKeepsADaemonFromStarting(t *testing.T) {
	t.Parallel()
	for name, filler := range map[string]int{"full": 256 << 10, "nearly full": 210 << 10} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := mountSmallDisk(t, "256k")
			_ = os.WriteFile(filepath.Join(dir, "lost+found"), make([]byte, filler), 0o600) // until it is full
			lease, err := daemon.Acquire(t.Context(), daemon.Options{Dir: dir, Idle: time.Second})
			if err == nil {
				_ = lease.Release()
				t.Fatal("the daemon started")
			}
			full, ok := errors.AsType[*daemon.FullDiskError](err)
			if !ok || full.Path != dir || !full.Known || full.Free > 256<<10 {
				t.Fatalf("%T: %v", err, err)
			}
			if !strings.Contains(err.Error(), "\nits disk is full: "+dir+" has ") {
				t.Error(err)
			}
		})
	}
}
