//go:build linux

// Package languages builds and checks the SDK of every language, and runs programs in all that can run here.
package languages

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// shared is what the tests have in common. Folders are absolute.
var shared struct {
	repo      string
	bin       string
	toolchain string // what make languages installs
	registry  *stack.Registry
	daemon    string
}

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	ctx, cancel := context.WithTimeoutCause(context.Background(), time.Minute,
		errors.New("preparing the tests took over a minute"))
	defer cancel()
	if shared.repo, err = filepath.Abs("../../.."); err != nil {
		return 1, err
	}
	shared.bin, shared.toolchain = filepath.Join(shared.repo, "bin"), filepath.Join(shared.repo, ".cache/languages")
	for _, made := range []string{"bin/pulumi-resource-buildkit", "bin/pulumi-language-java",
		".cache/languages/java.built"} {
		if _, err := os.Stat(filepath.Join(shared.repo, made)); err != nil {
			return 1, fmt.Errorf("%w: run `make build tools languages`, or `make test`", err)
		}
	}
	if shared.registry, err = stack.StartRegistry(ctx, shared.bin); err != nil {
		return 1, err
	}
	defer shared.registry.Close()
	if shared.daemon, err = os.MkdirTemp("", "daemon-"); err != nil {
		return 1, err
	}
	defer os.RemoveAll(shared.daemon)
	code = m.Run()
	return code, stack.AwaitDaemonEnd(context.Background(), shared.daemon)
}

// tool runs a program of a toolchain in folder, for at most 3 minutes, and returns its output. The program must
// succeed.
func tool(t *testing.T, folder, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = folder
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%s: %v:\n%s", filepath.Base(name), err, out)
	}
	return string(out)
}
