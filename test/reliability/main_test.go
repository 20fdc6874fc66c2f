//go:build linux

package reliability

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon/daemontest"
	"github.com/pulumi-buildkit/pulumi-buildkit/test/faults"
)

// TestMain puts the programs of buildPrograms on PATH. It becomes a supervised plugin, or the keeper of a daemon, if
// this process was started as one.
func TestMain(m *testing.M) {
	faults.Launch()
	if handled, code := daemon.RunRole(os.Args[1:]); handled {
		os.Exit(code)
	}
	root, err := daemontest.Root()
	if err == nil {
		err = os.Setenv("PATH", filepath.Join(root, ".cache/reliability")+":"+os.Getenv("PATH"))
	}
	var remove func() error
	if err == nil {
		remove, err = makeTemporary()
	}
	if err != nil {
		_, _ = os.Stderr.WriteString(err.Error() + "\n")
		os.Exit(1)
	}
	code := m.Run()
	if err := remove(); err != nil && code == 0 {
		_, _ = os.Stderr.WriteString(err.Error() + "\n")
		code = 1
	}
	os.Exit(code)
}

// temporaryPrefix begins the names of the folders of makeTemporary. The ID of the process follows.
const temporaryPrefix = "reliability-"

// makeTemporary makes a folder for the temporary files of this process and of all that it starts. It removes those of
// such processes that have ended, which may have been killed.
func makeTemporary() (remove func() error, err error) {
	left, err := filepath.Glob(filepath.Join(os.TempDir(), temporaryPrefix+"*"))
	if err != nil {
		return nil, err
	}
	for _, folder := range left {
		id, err := strconv.Atoi(strings.TrimPrefix(filepath.Base(folder), temporaryPrefix))
		if _, errProcess := os.Stat("/proc/" + strconv.Itoa(id)); err == nil && errors.Is(errProcess, fs.ErrNotExist) {
			_ = os.RemoveAll(folder) // what a daemon still uses stays until the next time
		}
	}
	folder := filepath.Join(os.TempDir(), temporaryPrefix+strconv.Itoa(os.Getpid()))
	if err := errors.Join(os.Mkdir(folder, 0o700), os.Setenv("TMPDIR", folder)); err != nil {
		return nil, err
	}
	return func() error { return os.RemoveAll(folder) }, nil
}
