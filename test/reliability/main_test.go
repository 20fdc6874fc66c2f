//go:build linux

package reliability

import (
	"os"
	"path/filepath"
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
	if err != nil {
		_, _ = os.Stderr.WriteString(err.Error() + "\n")
		os.Exit(1)
	}
	os.Exit(m.Run())
}
