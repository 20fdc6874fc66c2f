package subprocess_test

import (
	"context"
	"errors"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/subprocess"
)

// Output ends a program that prints without end, whatever the program does against that, and takes little memory.
func TestOutputIsBounded(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("the programs are shell scripts")
	}
	flood := "while :; do printf '%01024d' 0; done"
	tests := map[string]struct {
		script string
		stdout int // bytes
		stderr int
		is     error
	}{
		"an answer":                  {"printf answer; printf complaint >&2", 6, 9, nil},
		"as much as is allowed":      {"head -c 1048576 /dev/zero", subprocess.Limit, 0, nil},
		"one byte more":              {"head -c 1048577 /dev/zero", 0, 0, subprocess.ErrLimit},
		"a byte more, then it waits": {"head -c 1048577 /dev/zero; exec sleep 60", 0, 0, subprocess.ErrLimit},
		"without end":                {flood, 0, 0, subprocess.ErrLimit},
		"deaf to a closed pipe":      {"trap '' PIPE TERM; " + flood, 0, 0, subprocess.ErrLimit},
		"by a child that outlives it": {
			"(sleep 0.3; exec head -c 9000000 /dev/zero) & exit 0", 0, 0, subprocess.ErrLimit,
		},
		"a child holds it open": {"printf answer; sleep 20 & exit 0", 6, 0, exec.ErrWaitDelay},
		"a trace on stderr":     {"head -c 3000000 /dev/zero >&2; printf answer", 6, 64 << 10, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
			defer stop()
			stdout, stderr, err := subprocess.Output(exec.CommandContext(ctx, "/bin/sh", "-c", test.script))
			if !errors.Is(err, test.is) || ctx.Err() != nil {
				t.Errorf("got %v (%v), want %v", err, ctx.Err(), test.is)
			}
			if len(stdout) != test.stdout || len(stderr) != test.stderr {
				t.Errorf("%d and %d bytes", len(stdout), len(stderr))
			}
		})
	}
}

// Output returns what a program printed before it failed, because that is the reason.
func TestOutputOfAFailure(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("the program is a shell script")
	}
	cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", "echo out; echo err >&2; exit 3")
	stdout, stderr, err := subprocess.Output(cmd)
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok || exit.ExitCode() != 3 || strings.TrimSpace(string(stdout)) != "out" ||
		strings.TrimSpace(string(stderr)) != "err" {
		t.Errorf("%q, %q, %v", stdout, stderr, err)
	}
}
