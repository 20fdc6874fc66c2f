//go:build linux

package daemon_test

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon"
)

// clientError returns what a client process prints that cannot start a daemon.
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
	got := clientError(t, newFolder(t), "PATH=/nowhere")
	wantTexts(t, got, "cannot run here:\n- buildkitd is neither in ", "\n- runc is neither in ",
		"\n- pulumi-buildkit-network is neither in ", "nor on PATH (/nowhere)")
}

func TestRuncThatDoesNotRun(t *testing.T) {
	t.Parallel()
	bin := t.TempDir()
	if err := os.WriteFile(bin+"/runc", []byte("\x7fELF of another machine"), 0o755); err != nil {
		t.Fatal(err)
	}
	wantTexts(t, clientError(t, newFolder(t), "PATH="+bin), "- buildkitd is neither", "- "+bin+"/runc --version: ",
		"exec format error")
}

// A runc that prints without end is ended, and costs no memory.
func TestRuncThatPrintsWithoutEnd(t *testing.T) {
	t.Parallel()
	bin := t.TempDir()
	must(t, os.WriteFile(bin+"/runc", []byte("#!/bin/sh\nwhile :; do printf '%01024d' 0; done\n"), 0o755))
	wantTexts(t, clientError(t, newFolder(t), "PATH="+bin),
		"- "+bin+"/runc --version: it printed more than 1 MiB and was ended")
}

func TestWithoutRoot(t *testing.T) {
	t.Parallel()
	dir := newFolder(t)
	got := clientError(t, dir, uidVariable+"=65534", "PATH=/nowhere")
	wantTexts(t, got, "it needs root, and this is user 65534")
	if strings.Count(got, "\n- ") != 4 {
		t.Errorf("the binaries, which are not there either, are not named:\n%s", got)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Errorf("%s was created in vain", dir)
	}
}

// The error about a folder on an overlay that is also noexec names both. No daemon is tried.
func TestFolderThatCannotHoldTheState(t *testing.T) {
	t.Parallel()
	needsRoot(t)
	base := t.TempDir()
	for _, name := range []string{"lower", "upper", "work", "mount"} {
		if err := os.Mkdir(filepath.Join(base, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	mount := filepath.Join(base, "mount")
	options := "lowerdir=" + base + "/lower,upperdir=" + base + "/upper,workdir=" + base + "/work"
	if err := unix.Mount("overlay", mount, "overlay", unix.MS_NOEXEC, options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(mount, unix.MNT_DETACH) })
	_, err := daemon.Acquire(t.Context(), daemon.Options{Dir: mount})
	if err == nil {
		t.Fatal("the daemon started")
	}
	wantTexts(t, err.Error(), "- "+mount+" is on a file system that overlayfs cannot use",
		"- "+mount+" is on a file system that was mounted noexec")
	if left := processes(mount); len(left) > 0 {
		t.Errorf("processes: %v", left)
	}
}

func TestDaemonThatDoesNotComeUp(t *testing.T) {
	t.Parallel()
	dir, bin := newFolder(t), t.TempDir()
	script := "#!/bin/sh\necho the reason it gives >&2\nexit 7\n"
	if err := os.WriteFile(bin+"/buildkitd", []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	wantTexts(t, clientError(t, dir, "PATH="+bin+":"+os.Getenv("PATH")),
		"the embedded BuildKit daemon in "+dir+" did not start",
		"buildkitd ended by itself (exit status 7)", dir+"/buildkitd.log ends with:\nthe reason it gives")
	wantGone(t, dir)
}

// What an earlier daemon logged is not shown as the reason why this one did not start.
func TestAnEarlierDaemonsWordsAreNoReason(t *testing.T) {
	t.Parallel()
	dir := newFolder(t)
	_, _ = daemon.Acquire(t.Context(), daemon.Options{Dir: dir, Keeper: []string{"true"}}) // makes the folder
	err := os.WriteFile(filepath.Join(dir, "buildkitd.log"), []byte("words of an earlier one\n"), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	_, err = daemon.Acquire(t.Context(), daemon.Options{Dir: dir, Keeper: []string{"true"}})
	if err == nil || strings.Contains(err.Error(), "earlier") ||
		!strings.Contains(err.Error(), "did not start: it ended while it started") {
		t.Errorf("got %v", err)
	}
}
