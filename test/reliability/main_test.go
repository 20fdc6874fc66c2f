//go:build linux

package reliability

import (
	"os"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon"
)

// TestMain becomes the keeper of a daemon if this process was started as one.
func TestMain(m *testing.M) {
	if handled, code := daemon.RunRole(os.Args[1:]); handled {
		os.Exit(code)
	}
	os.Exit(m.Run())
}
