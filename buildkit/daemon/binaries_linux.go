package daemon

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/shell"
)

// findBinary is the absolute path of a program that ships with the plugin: beside the executable, else on PATH.
//
// Errors: where it was looked for and where it comes from; or that the one beside the executable may not be run.
func findBinary(name string) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("%s: the folder of this program: %w; is /proc mounted?", name, err)
	}
	shipped := filepath.Join(filepath.Dir(self), name)
	switch info, err := os.Stat(shipped); {
	case err == nil && info.Mode().Perm()&0o111 == 0:
		return "", fmt.Errorf("%s may not be executed: run chmod 755 %s", shipped, shell.Quote(shipped))
	case err == nil:
		return shipped, nil
	case !errors.Is(err, os.ErrNotExist):
		return "", fmt.Errorf("%w: let this user read it", err)
	}
	found, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("%s is neither in %s, beside this program, nor on PATH (%s): install the whole plugin archive, or in "+
			"a checkout run make build and put bin/ on PATH", name, filepath.Dir(self), os.Getenv("PATH"))
	}
	return filepath.Abs(found)
}
