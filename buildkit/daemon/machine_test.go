//go:build linux

package daemon_test

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon"
)

// clientError starts a client process that cannot start a daemon, and returns what it prints.
func clientError(t *testing.T, dir string, environ ...string) string {
	t.Helper()
	c := startClient(t, dir, time.Minute, environ...)
	output, err := io.ReadAll(c.output)
	if err != nil || strings.HasPrefix(string(output), "unix://") {
		t.Fatalf("the daemon started: %s (%v)", output, err)
	}
	return string(output)
}

// wantTexts fails the test unless got has each of the texts.
func wantTexts(t *testing.T, got string, want ...string) {
	t.Helper()
	for _, text := range want {
		if !strings.Contains(got, text) {
			t.Errorf("%q is not in:\n%s", text, got)
		}
	}
}

func TestWithoutBinaries(t *testing.T) {
	t.Parallel()
	got := clientError(t, newDaemonFolder(t), "PATH=/nowhere")
	wantTexts(t, got, "cannot run here:\n- buildkitd is neither in ", "\n- runc is neither in ",
		"\n- pulumi-buildkit-network is neither in ", "nor on PATH (/nowhere)")
}

func TestRuncThatDoesNotRun(t *testing.T) {
	t.Parallel()
	bin := t.TempDir()
	if err := os.WriteFile(bin+"/runc", []byte("\x7fELF of another machine"), 0o755); err != nil {
		t.Fatal(err)
	}
	wantTexts(t, clientError(t, newDaemonFolder(t), "PATH="+bin),
		"- buildkitd is neither", "- "+bin+"/runc --version: ",
		"exec format error")
}

// A runc that prints without end is killed, and takes no memory.
func TestRuncThatPrintsWithoutEnd(t *testing.T) {
	t.Parallel()
	bin := t.TempDir()
	must(t, os.WriteFile(bin+"/runc", []byte("#!/bin/sh\nwhile :; do printf '%01024d' 0; done\n"), 0o755))
	wantTexts(t, clientError(t, newDaemonFolder(t), "PATH="+bin),
		"- "+bin+"/runc --version: it printed more than 1 MiB and was ended")
}

// mountOverlay mounts an overlay, such as the root of a container, and returns its path.
func mountOverlay(t *testing.T, flags uintptr) string {
	t.Helper()
	skipWithoutDaemon(t)
	base := t.TempDir()
	for _, name := range []string{"lower", "upper", "work", "mount"} {
		must(t, os.Mkdir(filepath.Join(base, name), 0o700))
	}
	mount := filepath.Join(base, "mount")
	options := "lowerdir=" + base + "/lower,upperdir=" + base + "/upper,workdir=" + base + "/work"
	must(t, unix.Mount("overlay", mount, "overlay", flags, options))
	t.Cleanup(func() { _ = unix.Unmount(mount, unix.MNT_DETACH) })
	return mount
}

// The error about a folder that is mounted noexec names the folder. No daemon is started.
func TestFolderThatCannotHoldTheState(t *testing.T) {
	t.Parallel()
	mount := mountOverlay(t, unix.MS_NOEXEC)
	_, err := daemon.Acquire(t.Context(), daemon.Options{Dir: mount})
	if err == nil {
		t.Fatal("the daemon started")
	}
	wantTexts(t, err.Error(), "- "+mount+" is on a file system that was mounted noexec")
	if left := processes(mount); len(left) > 0 {
		t.Errorf("processes: %v", left)
	}
}

// In a container without a volume the daemon uses another snapshotter than overlayfs, and a note says what that costs.
func TestFolderOnAnOverlay(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ path, config, note string }{
		"native": {
			path: pathWithout(t, "fuse-overlayfs"), config: `snapshotter = "native"`,
			note: "each step copies all files of the one before, which takes more time and disk: ",
		},
		"fuse-overlayfs": {
			path: os.Getenv("PATH"), config: `snapshotter = "fuse-overlayfs"`,
			note: "files of steps pass through the program fuse-overlayfs, which takes more time: ",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := exec.LookPath("fuse-overlayfs"); err != nil && name != "native" {
				t.Skip("NOT TESTED: fuse-overlayfs is not installed")
			}
			dir := mountOverlay(t, 0)
			stopDaemonAtCleanup(t, dir)
			client := startClient(t, dir, time.Minute, "PATH="+c.path)
			mustRun(t, client.endpoint(t), "touch /file")
			config, err := os.ReadFile(filepath.Join(dir, "buildkitd.toml"))
			must(t, err)
			log, err := os.ReadFile(filepath.Join(dir, "keeper.log"))
			must(t, err)
			wantTexts(t, string(config), c.config)
			wantTexts(t, string(log), c.note, dir+" is on a file system that overlayfs cannot use")
		})
	}
}

func TestDaemonThatDoesNotComeUp(t *testing.T) {
	t.Parallel()
	dir, bin := newDaemonFolder(t), t.TempDir()
	script := "#!/bin/sh\necho the reason it gives >&2\nexit 7\n"
	if err := os.WriteFile(bin+"/buildkitd", []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	wantTexts(t, clientError(t, dir, "PATH="+bin+":"+os.Getenv("PATH")),
		"the embedded BuildKit daemon in "+dir+" did not start",
		"buildkitd ended by itself (exit status 7)", dir+"/buildkitd.log ends with:\nthe reason it gives")
	wantGone(t, dir)
}

// The error of a daemon that did not start does not show the log of an earlier daemon.
func TestErrorDoesNotShowAnEarlierLog(t *testing.T) {
	t.Parallel()
	dir := newDaemonFolder(t)
	_, _ = daemon.Acquire(t.Context(), daemon.Options{Dir: dir, Keeper: []string{"true"}}) // makes the folder
	err := os.WriteFile(filepath.Join(dir, "buildkitd.log"), []byte("words of an earlier one\n"), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	_, err = daemon.Acquire(t.Context(), daemon.Options{Dir: dir, Keeper: []string{"true"}})
	if err == nil || strings.Contains(err.Error(), "earlier") ||
		!strings.Contains(err.Error(), "did not start: its keeper ended before the daemon was ready") {
		t.Errorf("got %v", err)
	}
}
