package engine_test

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon/daemontest"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/engine/enginetest"
)

var (
	embedded   daemontest.Daemon
	containerd enginetest.Engine                  // keeps images in containerd, as new engines do
	classic    = enginetest.Engine{Classic: true} // keeps them in its own store
	apart      = enginetest.Engine{Apart: true}   // has another loopback, as in a virtual machine
)

func TestMain(m *testing.M) {
	if host := os.Getenv(machineVariable); host != "" {
		runMachine(host, os.Args[1:])
		return
	}
	code := daemontest.Main(m, &embedded)
	if err := errors.Join(containerd.End(), classic.End(), apart.End()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}
