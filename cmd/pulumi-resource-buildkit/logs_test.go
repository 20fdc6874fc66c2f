package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/sirupsen/logrus"
)

func TestMain(m *testing.M) {
	if os.Getenv("LOG_AS_LIBRARIES_DO") != "" { // a process of its own, for TestLibrariesAreQuiet
		quietLibraries()
		logrus.Warn("a library says")
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestLibrariesAreQuiet(t *testing.T) {
	t.Parallel()
	for debug, shown := range map[string]bool{"": false, "1": true} {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), "LOG_AS_LIBRARIES_DO=1", "PULUMI_BUILDKIT_DEBUG="+debug)
		out, err := cmd.CombinedOutput()
		if err != nil || strings.Contains(string(out), "a library says") != shown {
			t.Errorf("PULUMI_BUILDKIT_DEBUG=%s: %v: %s", debug, err, out)
		}
	}
}
