//go:build linux

package daemon_test

import (
	"bytes"
	"compress/zlib"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/containerd/platforms"
	"golang.org/x/sys/unix"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon/daemontest"
)

// mountDisk mounts a disk of 100 MiB and returns the path of its folder, which is that of a daemon.
func mountDisk(t *testing.T, options ...string) string {
	t.Helper()
	dir := newDaemonFolder(t)
	daemontest.MountDisk(t, dir, options...)
	return dir
}

// wantStopped waits until the daemon of dir has stopped, and its keeper too.
func wantStopped(t *testing.T, dir string) {
	t.Helper()
	eventually(t, patience, "no process of the daemon", func() bool { return len(processes(dir)) == 0 })
}

// writeLayer is the script of a step that leaves 20 MiB in the cache.
const writeLayer = "dd if=/dev/urandom of=/big bs=1M count=20 2>/dev/null"

// A daemon whose disk is full removes the cache that no build uses. A build that runs meanwhile goes on.
func TestFreeSpaceOnAFullDisk(t *testing.T) {
	t.Parallel()
	dir := mountDisk(t)
	lease, _ := acquire(t, daemon.Options{Dir: dir})
	for range 2 {
		mustRun(t, lease.Endpoint(), writeLayer)
	}
	reserve, err := os.Stat(dir + "/reserve")
	must(t, err)
	if reserve.Size() < 4<<20 || reserve.Size() > 6<<20 {
		t.Errorf("the reserve has %d bytes, not a twentieth of the disk", reserve.Size())
	}
	other := make(chan error, 1)
	go func() {
		_, err := run(t.Context(), t, lease.Endpoint(), platforms.DefaultString(), "sleep 3.0411; ls /bin/busybox")
		other <- err
	}()
	eventually(t, patience, "the other step runs", func() bool { return len(processes("sleep 3.0411")) > 0 })
	daemontest.FillDisk(t, dir, 0)
	if _, err := run(t.Context(), t, lease.Endpoint(), platforms.DefaultString(), writeLayer); err == nil {
		t.Fatal("a step wrote to the full disk")
	}
	if disk := lease.Disk(); disk.Free > 4<<20 || !strings.Contains(disk.String(), dir+" has ") {
		t.Errorf("the disk is %v: %+v", disk, disk)
	}
	daemontest.FillDisk(t, dir, 0)
	freed, err := lease.FreeSpace(t.Context())
	if err != nil || freed < 40<<20 {
		t.Errorf("freed %d bytes: %v", freed, err)
	}
	mustRun(t, lease.Endpoint(), writeLayer)
	if err := <-other; err != nil {
		t.Errorf("the build that ran meanwhile: %v", err)
	}
	if again, err := os.Stat(dir + "/reserve"); err != nil || again.Size() != reserve.Size() {
		t.Errorf("the reserve was not made again: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := lease.FreeSpace(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(dir + "/reserve"); err != nil {
		t.Errorf("the reserve was not made again after a failure: %v", err)
	}
}

// A daemon starts on a full disk, because the reserve is given up for that.
func TestStartOnAFullDisk(t *testing.T) {
	t.Parallel()
	dir := mountDisk(t)
	lease, _ := acquire(t, daemon.Options{Dir: dir, Idle: 100 * time.Millisecond})
	mustRun(t, lease.Endpoint(), writeLayer)
	must(t, lease.Release())
	wantStopped(t, dir)
	filler := daemontest.FillDisk(t, dir, 0)
	lease, _ = acquire(t, daemon.Options{Dir: dir, Idle: 100 * time.Millisecond})
	if _, err := lease.FreeSpace(t.Context()); err != nil {
		t.Error(err)
	}
	must(t, lease.Release())
	wantStopped(t, dir)
	daemontest.FillDisk(t, dir, 0)
	if lease, err := daemon.Acquire(t.Context(), daemon.Options{Dir: dir, Idle: time.Second}); err == nil {
		must(t, lease.Release())
	} else if full, ok := errors.AsType[*daemon.FullDiskError](err); !ok || full.Path != dir {
		t.Errorf("%T: %v", err, err)
	}
	must(t, os.Remove(filler))
	lease, _ = acquire(t, daemon.Options{Dir: dir, Idle: time.Second})
	mustRun(t, lease.Endpoint(), "true")
}

// On a file system that cannot reserve space, the reserve has a content that nobody can compress.
func TestReserveWithoutPreallocation(t *testing.T) {
	t.Parallel()
	dir := mountDisk(t, "-O", "^extents,^64bit")
	must(t, os.WriteFile(dir+"/probe", nil, 0o600))
	probe, err := os.OpenFile(dir+"/probe", os.O_RDWR, 0)
	must(t, err)
	err = errors.Join(unix.Fallocate(int(probe.Fd()), 0, 0, 4096), probe.Close(), os.Remove(dir+"/probe"))
	if !errors.Is(err, unix.EOPNOTSUPP) {
		t.Skipf("NOT TESTED: the disk can reserve space: %v", err)
	}
	lease, _ := acquire(t, daemon.Options{Dir: dir, Idle: time.Second})
	mustRun(t, lease.Endpoint(), "true")
	content, err := os.ReadFile(dir + "/reserve")
	must(t, err)
	var compressed bytes.Buffer
	w := zlib.NewWriter(&compressed)
	_, err = w.Write(content)
	must(t, err, w.Close())
	if len(content) < 4<<20 || compressed.Len() < len(content) {
		t.Errorf("the reserve has %d bytes, which compress to %d", len(content), compressed.Len())
	}
}

// A reserve of zeros may take no space: an earlier release wrote such ones where files are compressed. The next keeper
// makes another.
func TestReserveThatTakesNoSpaceIsReplaced(t *testing.T) {
	t.Parallel()
	dir := mountDisk(t)
	lease, _ := acquire(t, daemon.Options{Dir: dir, Idle: 100 * time.Millisecond})
	must(t, lease.Release())
	wantStopped(t, dir)
	must(t, os.Truncate(dir+"/reserve", 0), os.Truncate(dir+"/reserve", 5<<20))
	acquire(t, daemon.Options{Dir: dir, Idle: time.Second})
	var reserve unix.Stat_t
	must(t, unix.Stat(dir+"/reserve", &reserve))
	if reserve.Blocks*512 < 4<<20 {
		t.Errorf("the reserve takes %d blocks", reserve.Blocks)
	}
}

// A file system may have space left, and no inodes.
func TestDiskWithoutInodes(t *testing.T) {
	t.Parallel()
	dir := mountDisk(t, "-N", "64")
	for i := range 100 {
		_ = os.WriteFile(filepath.Join(dir, "lost+found", "file"+string(rune('!'+i))), nil, 0o600)
	}
	_, err := daemon.Acquire(t.Context(), daemon.Options{Dir: dir, Idle: time.Second})
	if full, ok := errors.AsType[*daemon.FullDiskError](err); !ok || !full.NoFiles ||
		!strings.Contains(err.Error(), "\nits disk is full: "+dir+" is on a file system without free inodes") {
		t.Errorf("%T: %v", err, err)
	}
}

// A kernel makes a file system read-only after an error of its disk.
func TestReadOnlyDisk(t *testing.T) {
	t.Parallel()
	dir := mountDisk(t)
	lease, _ := acquire(t, daemon.Options{Dir: dir, Idle: 100 * time.Millisecond})
	must(t, lease.Release())
	wantStopped(t, dir)
	eventually(t, patience, "nobody writes", func() bool {
		return unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, "") == nil
	})
	_, err := daemon.Acquire(t.Context(), daemon.Options{Dir: dir, Idle: time.Second})
	if e, ok := errors.AsType[*daemon.Error](err); !ok || e.Fault != daemon.FolderUnusable ||
		!strings.Contains(err.Error(), "read-only file system") {
		t.Errorf("%T: %v", err, err)
	}
	if _, ok := errors.AsType[*daemon.FullDiskError](err); ok {
		t.Errorf("a read-only disk is called full: %v", err)
	}
	must(t, unix.Mount("", dir, "", unix.MS_REMOUNT, ""))
}
