//go:build linux

package daemon_test

import (
	"runtime"
	"strings"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon"
)

// Not only the first process of a step runs under the emulator: its children, other applets and pipes do too.
func TestStepOfAForeignPlatform(t *testing.T) {
	t.Parallel()
	foreign, machine := "arm64", "aarch64"
	if runtime.GOARCH == foreign {
		foreign, machine = "amd64", "x86_64"
	}
	dir := newDaemonFolder(t)
	if pkg, missing := daemon.MissingEmulator("linux/" + foreign); missing {
		t.Fatalf("no QEMU for %s: run apt-get install -y %s", foreign, pkg)
	}
	lease, _ := acquire(t, daemon.Options{Dir: dir})
	output, err := run(t.Context(), t, lease.Endpoint(), "linux/"+foreign,
		"uname -m; echo a | cat; (exec /bin/busybox sh -c 'echo $0' named)")
	if err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	if want := machine + "\na\nnamed\n"; strings.ReplaceAll(output, "\r", "") != want {
		t.Errorf("the step printed %q, not %q", output, want)
	}
}
