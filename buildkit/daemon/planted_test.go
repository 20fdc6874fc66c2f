//go:build linux

package daemon_test

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon"
)

// makeStoppedFolder returns the folder of a daemon that has stopped.
func makeStoppedFolder(t *testing.T) string {
	t.Helper()
	dir := newDaemonFolder(t)
	_, _ = daemon.Acquire(t.Context(), daemon.Options{Dir: dir, Keeper: []string{"true"}})
	if _, err := os.Stat(filepath.Join(dir, "alive.lock")); err != nil {
		t.Fatal(err)
	}
	return dir
}

// replace removes the entry with this name from the folder dir, and calls plant with its path.
func replace(t *testing.T, dir, name string, plant func(path string) error) {
	t.Helper()
	path := filepath.Join(dir, name)
	must(t, os.RemoveAll(path), plant(path))
}

// replacedFiles are the files that each start writes anew. If links are in their places, the start does not follow
// them. If FIFOs are, it does not wait for them.
var replacedFiles = []string{
	"keeper.log", "buildkitd.log", "network.log", "debug.log", "buildkitd.toml", "pids", "network.json", "digests.json",
	"buildkitd.sock", "otel.sock", "network.sock",
}

func TestPlantedFilesAreReplaced(t *testing.T) {
	t.Parallel()
	for name, plant := range map[string]func(victim string) func(path string) error{
		"link": func(victim string) func(string) error {
			return func(path string) error { return os.Symlink(victim, path) }
		},
		"hard link": func(victim string) func(string) error {
			return func(path string) error { return os.Link(victim, path) }
		},
		"FIFO": func(string) func(string) error { return func(path string) error { return unix.Mkfifo(path, 0o600) } },
		"link to nothing": func(victim string) func(string) error {
			return func(path string) error { return os.Symlink(victim+"-new-"+filepath.Base(path), path) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, victim := makeStoppedFolder(t), filepath.Join(t.TempDir(), "victim")
			must(t, os.WriteFile(victim, []byte("precious"), 0o600))
			for _, file := range replacedFiles {
				if file != "pids" { // a client reads it first, and refuses it
					replace(t, dir, file, plant(victim))
				}
			}
			lease, _ := acquire(t, daemon.Options{Dir: dir, Idle: time.Second})
			mustRun(t, lease.Endpoint(), "true")
			if text, _ := os.ReadFile(victim); string(text) != "precious" {
				t.Errorf("the victim's file is %q", text)
			}
			if found, _ := filepath.Glob(victim + "-new*"); len(found) > 0 {
				t.Errorf("made where the links lead: %v", found)
			}
		})
	}
}

func TestPlantedFoldersAreNotEntered(t *testing.T) {
	t.Parallel()
	dir, victim := makeStoppedFolder(t), t.TempDir()
	writeFiles(t, victim, map[string]string{
		"precious": "x", "executor/one/precious": "x", "runc-overlayfs/executor/one/precious": "x",
	})
	before := snapshot(t, victim)
	for _, name := range []string{"tmp", "cni"} {
		replace(t, dir, name, func(path string) error { return os.Symlink(victim, path) })
	}
	lease, _ := acquire(t, daemon.Options{Dir: dir, Idle: time.Second})
	mustRun(t, lease.Endpoint(), "true")
	if after := snapshot(t, victim); after != before {
		t.Errorf("it was\n%s\nand is\n%s", before, after)
	}
}

// A client refuses lock files and state of buildkitd that another user may have put there. It follows no link.
func TestPlantedEntriesAreRefused(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		file   string
		plant  func(path, victim string) error
		reason string
	}{
		"a lock that is a link": {
			file:   "alive.lock",
			plant:  func(path, victim string) error { return os.Symlink(victim+"/f", path) },
			reason: "it is a link",
		},
		"a lock that is a hard link": {
			file:   "start.lock",
			plant:  func(path, victim string) error { return os.Link(victim+"/f", path) },
			reason: "2 hard links",
		},
		"a lock that is a FIFO": {
			file:   "clients.lock",
			plant:  func(path, _ string) error { return unix.Mkfifo(path, 0o600) },
			reason: "it is a FIFO",
		},
		"a lock that a stranger can hold": {file: "alive.lock", plant: writeAsStranger,
			reason: "belongs to user 65534"},
		"state elsewhere": {
			file:   "root",
			plant:  func(path, victim string) error { return os.Symlink(victim, path) },
			reason: "it is a link",
		},
		"a stranger's state": {file: "root", plant: func(path, _ string) error {
			return errors.Join(os.Mkdir(path, 0o700), os.Chown(path, stranger, stranger))
		}, reason: "belongs to user 65534"},
		"a database elsewhere": {file: "root", plant: func(path, victim string) error {
			return errors.Join(os.Mkdir(path, 0o700), os.Symlink(victim+"/f", path+"/cache.db"))
		}, reason: "it is a link"},
		"a stranger's content": {file: "root", plant: func(path, _ string) error {
			return errors.Join(os.MkdirAll(path+"/runc-overlayfs/content/blobs/sha256", 0o700),
				os.Chown(path+"/runc-overlayfs/content/blobs/sha256", stranger, stranger))
		}, reason: "belongs to user 65534"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, victim := makeStoppedFolder(t), t.TempDir()
			writeFiles(t, victim, map[string]string{"f": "precious"})
			replace(t, dir, test.file, func(path string) error { return test.plant(path, victim) })
			before := snapshot(t, victim)
			wantRefused(t, dir, daemon.FolderPlanted, test.reason)
			if after := snapshot(t, victim); after != before {
				t.Errorf("it was\n%s\nand is\n%s", before, after)
			}
		})
	}
}

// writeAsStranger makes an empty file of another user.
func writeAsStranger(path, _ string) error {
	return errors.Join(os.WriteFile(path, nil, 0o600), os.Chown(path, stranger, stranger))
}

// listen makes a Unix socket that belongs to the user uid, and returns the connections to it. It answers none.
func listen(t *testing.T, path string, uid int) <-chan net.Conn {
	t.Helper()
	must(t, os.RemoveAll(path))
	listener, err := net.Listen("unix", path)
	must(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	must(t, os.Chown(path, uid, uid))
	accepted := make(chan net.Conn, 100)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			accepted <- conn
		}
	}()
	return accepted
}

// A socket that somebody put there before the daemon started gets not one byte.
func TestPlantedSocketIsNotObeyed(t *testing.T) {
	t.Parallel()
	for name, plant := range map[string]func(t *testing.T, path string) <-chan net.Conn{
		"another user": func(t *testing.T, path string) <-chan net.Conn { return listen(t, path, stranger) },
		"linked to another program of root": func(t *testing.T, path string) <-chan net.Conn {
			elsewhere := filepath.Join(t.TempDir(), "docker.sock")
			accepted := listen(t, elsewhere, 0)
			must(t, os.Symlink(elsewhere, path))
			return accepted
		},
		"another program of root": func(t *testing.T, path string) <-chan net.Conn { return listen(t, path, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := makeStoppedFolder(t)
			accepted := plant(t, filepath.Join(dir, "buildkitd.sock"))
			lease, lines := acquire(t, daemon.Options{Dir: dir, Idle: time.Second})
			if len(lines) == 0 {
				t.Error("no daemon was started")
			}
			mustRun(t, lease.Endpoint(), "true")
			for len(accepted) > 0 {
				conn := <-accepted
				_ = conn.SetReadDeadline(time.Now().Add(time.Second))
				buffer := make([]byte, 100)
				if n, _ := conn.Read(buffer); n > 0 {
					t.Errorf("it was sent %q", buffer[:n])
				}
			}
		})
	}
}

// A lease connects to its own daemon only, also if somebody replaces the socket during a build.
func TestLeaseDialsItsDaemonOnly(t *testing.T) {
	t.Parallel()
	dir := newDaemonFolder(t)
	lease, _ := acquire(t, daemon.Options{Dir: dir, Idle: time.Second})
	conn, err := lease.Dial(t.Context())
	must(t, err, conn.Close())
	path := filepath.Join(dir, "buildkitd.sock")
	must(t, os.Rename(path, path+"-moved"))
	t.Cleanup(func() { _ = os.Rename(path+"-moved", path) })
	for uid, reason := range map[int]string{
		stranger: "belongs to user 65534",
		0:        "not the daemon that a keeper started",
	} {
		listen(t, path, uid)
		if _, err := lease.Dial(context.Background()); err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("error %v, want %s", err, reason)
		}
	}
}
