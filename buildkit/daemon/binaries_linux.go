package daemon

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
)

// findBinary returns the absolute path of a program that ships with the plugin: beside this executable, else on PATH.
// It returns an *Error if the program is at neither place, or if nobody has permission to execute the one beside this.
func findBinary(name string) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", newError(NoProc, "", "%s: the folder of this program: %w", name, err)
	}
	shipped := filepath.Join(filepath.Dir(self), name)
	switch info, err := os.Stat(shipped); {
	case err == nil && info.Mode().Perm()&0o111 == 0:
		return "", newError(ProgramMode, shipped, "%s is not executable", shipped)
	case err == nil:
		return shipped, nil
	case !errors.Is(err, os.ErrNotExist):
		return "", &Error{Fault: ProgramUnreadable, Path: shipped, Cause: err}
	}
	found, err := exec.LookPath(name)
	if err != nil {
		return "", newError(ProgramMissing, name, "%s is neither in %s, beside this program, nor on PATH (%s)",
			name, filepath.Dir(self), os.Getenv("PATH"))
	}
	return filepath.Abs(found)
}
