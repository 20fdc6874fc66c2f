//go:build linux

package attacks

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// The attacker is another user of the same machine, who could write into the daemon's folder for a while.

// nobody is the number of the user nobody.
const nobody = 65534

// newDaemonFolder makes a folder for a daemon that other users can reach.
func newDaemonFolder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "folder-") //nolint:usetesting // short enough for the path of a socket
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stack.AwaitDaemonEnd(context.Background(), dir)
		_ = os.RemoveAll(dir)
	})
	return filepath.Join(dir, "d")
}

const smallest = `platforms: [linux/amd64]
tags: ["REPO:1"]
`

const withSecret = smallest + "secrets: { token: SECRET }"

// The folder was open to others for a while. A daemon of another user listens there, and gets no secret.
func TestPlantedSocketGetsNoSecret(t *testing.T) {
	t.Parallel()
	dir := newDaemonFolder(t)
	canary := "CANARY_" + filepath.Base(filepath.Dir(dir))
	test := stack.New(t, stack.Config{
		Bin: shared.Bin, Daemon: dir, Idle: time.Second,
		Program: shared.Project(t, strings.ReplaceAll(withSecret, "SECRET", canary), map[string]string{
			"Dockerfile": "FROM BUSYBOX\nCOPY f /f\nRUN --mount=type=secret,id=token test -s /run/secrets/token\n",
			"f":          "1",
		}),
	})
	stack.Succeeds(t, test.Up("--skip-preview"))
	if err := stack.AwaitDaemonEnd(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	printed := startImpostor(t, filepath.Join(dir, "buildkitd.sock"))
	if err := errors.Join(os.Chmod(dir, 0o700), test.Write("f", "2")); err != nil {
		t.Fatal(err)
	}
	built := test.Up("--skip-preview")
	select {
	case line := <-printed:
		t.Errorf("the other user's process %s", line)
	default:
	}
	stack.Succeeds(t, built)
}

// A folder that the variable names by mistake stays as it is, and the error says what to do.
func TestFolderOfTheUserIsNotChanged(t *testing.T) {
	t.Parallel()
	dir := newDaemonFolder(t)
	files := map[string]string{
		"tmp/notes": "mine", "root/runc-x/executor/y/z": "mine", "buildkitd.log": "mine", "src/main.go": "mine",
	}
	for name, text := range files {
		path := filepath.Join(dir, name)
		err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644))
		if err != nil {
			t.Fatal(err)
		}
	}
	test := stack.New(t, stack.Config{
		Bin: shared.Bin, Daemon: dir, Idle: time.Second,
		Program: shared.Project(t, smallest, map[string]string{"Dockerfile": "FROM BUSYBOX\n"}),
	})
	stack.Fails(t, test.Up("--skip-preview"), dir, "Nothing was changed",
		"Set PULUMI_BUILDKIT_DAEMON_DIR to a new or an empty folder")
	for name, text := range files {
		if left, _ := os.ReadFile(filepath.Join(dir, name)); string(left) != text {
			t.Errorf("%s is %q", name, left)
		}
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

// Another user makes the folder first, in a folder that everybody can write to.
func TestFolderBelowAnotherUsersIsRefused(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(parent string) error{
		"theirs":           func(parent string) error { return os.Chown(parent, nobody, nobody) },
		"for everybody":    func(parent string) error { return os.Chmod(parent, 0o777) },
		"a link of theirs": func(parent string) error { return plantLink(parent, nobody) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := newDaemonFolder(t)
			if err := errors.Join(os.Mkdir(dir, 0o755), prepare(dir)); err != nil {
				t.Fatal(err)
			}
			test := stack.New(t, stack.Config{
				Bin: shared.Bin, Daemon: filepath.Join(dir, "b"), Idle: time.Second,
				Program: shared.Project(t, smallest, map[string]string{"Dockerfile": "FROM BUSYBOX\n"}),
			})
			stack.Fails(t, test.Up("--skip-preview"), dir, "PULUMI_BUILDKIT_DAEMON_DIR")
		})
	}
}

// plantLink makes parent sticky and for everybody, as /tmp is, with the user's link b to a folder of the victim's.
func plantLink(parent string, user int) error {
	victim := filepath.Join(filepath.Dir(parent), "victim")
	link := filepath.Join(parent, "b")
	return errors.Join(
		os.Mkdir(victim, 0o700), os.Chmod(parent, 0o777|fs.ModeSticky), os.Symlink(victim, link),
		os.Lchown(link, user, user),
	)
}
