package faults_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// roleVariable makes the test program one that works in the folder which the variable names.
const roleVariable = "FAULTS_TEST_FOLDER"

// step is one file operation of the program in the role.
type step struct {
	event string // without the folder
	do    func(folder string) (written int, err error)
}

var steps = []step{
	{"make folder /d", func(folder string) (int, error) { return 0, os.Mkdir(folder+"/d", 0o700) }},
	{"create /d/f", func(folder string) (int, error) {
		return unix.Open(folder+"/d/f", unix.O_CREAT|unix.O_WRONLY|unix.O_CLOEXEC, 0o600)
	}},
	{"write /d/f, 10 bytes", func(folder string) (int, error) { return unix.Write(7, []byte("0123456789")) }},
	{"write /d/f, 6 bytes", func(folder string) (int, error) { return unix.Pwrite(7, []byte("abcdef"), 10) }},
	{"sync /d/f", func(string) (int, error) { return 0, unix.Fsync(7) }},
	{"rename to /d/g", func(folder string) (int, error) { return 0, os.Rename(folder+"/d/f", folder+"/d/g") }},
	{"open /d/g", func(folder string) (int, error) {
		return unix.Open(folder+"/d/g", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	}},
	{"remove /d/g", func(folder string) (int, error) { return 0, os.Remove(folder + "/d/g") }},
}

// playRole does the steps and prints what each returned. It returns if this process has another role.
func playRole() {
	folder := os.Getenv(roleVariable)
	if folder == "" {
		return
	}
	// What another process does, and what is no file, must not count.
	_ = exec.Command("touch", filepath.Join(folder, "touched")).Run()
	if null, err := os.OpenFile("/dev/null", os.O_WRONLY, 0); err == nil {
		_, _ = null.Write([]byte("x"))
		_ = null.Close()
	}
	for _, s := range steps {
		written, err := s.do(folder)
		if s.event == "create /d/f" && err == nil {
			err = unix.Dup3(written, 7, unix.O_CLOEXEC)
			_ = unix.Close(written)
			written = 0
		}
		if s.event == "open /d/g" && err == nil {
			err = unix.Close(written)
			written = 0
		}
		var errno syscall.Errno
		if errors.As(err, &errno) {
			written = -1
		}
		_, _ = fmt.Fprintln(os.Stdout, written, unix.ErrnoName(errno))
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
	os.Exit(0)
}
