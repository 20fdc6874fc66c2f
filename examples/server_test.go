//go:build linux

package examples

import (
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/examples/stack"
)

// The example as a reader finds it: what make demo shows in full.
func TestGoServer(t *testing.T) {
	t.Parallel()
	goroot, err := exec.CommandContext(t.Context(), "go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	s := stack.New(t, stack.Config{
		Bin: shared.bin, Program: os.DirFS("go-server"), Daemon: shared.daemon, Idle: 5 * time.Second,
		Values: map[string]string{"repository": repository(t), "goroot": strings.TrimSpace(string(goroot))},
	})
	ok(t, s.Up("--skip-preview"), "+ 2 created")
	for _, arch := range []string{"amd64", "arm64"} {
		emulator := ""
		if arch != runtime.GOARCH {
			emulator, err = stack.Emulator(arch)
		}
		if err != nil {
			t.Fatalf("NEEDS QEMU: %v", err)
		}
		answer, err := stack.Answer(t.Context(), repository(t)+":latest", arch, emulator)
		if want := "hello from linux/" + arch + ", version 1.0\n"; err != nil || answer != want {
			t.Errorf("%s: %q, %v, want %q", arch, answer, err, want)
		}
	}
	ok(t, s.Up("--expect-no-changes"), "2 unchanged")
	ok(t, s.Destroy("--skip-preview"))
}
