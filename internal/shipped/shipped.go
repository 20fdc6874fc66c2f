// Package shipped finds the programs for Linux that ship with the plugin.
package shipped

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// MissingError says that programs for an architecture did not ship with the plugin.
type MissingError struct {
	Arch    string
	Names   []string
	Folders []string // in which the programs were looked for
}

// Error names the programs and the folders in which they were looked for.
func (e *MissingError) Error() string {
	names, folders := strings.Join(e.Names, ", "), strings.Join(e.Folders, " or ")
	return fmt.Sprintf("%s for linux/%s: not in %s", names, e.Arch, folders)
}

// Find returns the paths of programs for Linux on an architecture: in the folder linux-ARCH beside this executable, or,
// if this is such a machine, beside it or on PATH. It returns a *MissingError if it does not find them all.
func Find(arch string, names ...string) ([]string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("the folder of this program: %w", err)
	}
	native := runtime.GOOS == "linux" && runtime.GOARCH == arch
	folders := []string{filepath.Join(filepath.Dir(self), "linux-"+arch)}
	if native {
		folders = append(folders, filepath.Dir(self))
	}
	missing := &MissingError{Arch: arch, Folders: folders}
	var found []string
	for _, name := range names {
		p := findProgram(folders, name)
		if p == "" && native {
			p, _ = exec.LookPath(name)
		}
		if p == "" {
			missing.Names = append(missing.Names, name)
			continue
		}
		found = append(found, p)
	}
	if missing.Names != nil {
		return nil, missing
	}
	return found, nil
}

// findProgram returns the path of a program in the first folder that has it, or "".
func findProgram(folders []string, name string) string {
	for _, folder := range folders {
		if info, err := os.Stat(filepath.Join(folder, name)); err == nil && info.Mode().IsRegular() {
			return filepath.Join(folder, name)
		}
	}
	return ""
}
