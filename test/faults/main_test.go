//go:build linux

package faults_test

import (
	"os"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon/daemontest"
	"github.com/pulumi-buildkit/pulumi-buildkit/test/faults"
)

// shared is the daemon of all tests of this package.
var shared daemontest.Daemon

func TestMain(m *testing.M) {
	faults.Launch()
	playRole()
	os.Exit(daemontest.Main(m, &shared))
}
