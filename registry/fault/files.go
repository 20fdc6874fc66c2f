package fault

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/file"
)

// CheckFiles checks files that the library of a cloud reads by itself. files has the environment variable that names
// each, and the path in the home folder that counts without the variable; "" is none. CheckFiles returns an error for a
// file that is not regular or too large. The error names the variable or the path.
//
// The libraries would wait for a FIFO, and read a device until memory ends.
func CheckFiles(files map[string]string) error {
	for variable, usual := range files {
		path, name := os.Getenv(variable), variable
		if home, err := os.UserHomeDir(); path == "" && usual != "" && err == nil {
			path = filepath.Join(home, filepath.FromSlash(usual))
			name = path
		}
		if path == "" {
			continue
		}
		if err := file.Check(path, file.LimitText); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}
