//go:build linux

// Command demo shows what the provider does: it runs pulumi up of examples/go-server for two platforms. It pushes the
// image to a registry on loopback, pulls it back, runs it, changes it and destroys it. It fails if a result is not as
// it says.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// idle is how long the daemon stays after its last use. The next step must start within it, and a person must see the
// daemon go.
const idle = 5 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeoutCause(ctx, 10*time.Minute, errors.New("the demo took longer than 10 minutes"))
	defer cancel()
	if err := run(ctx, newTerminal(os.Stdout)); err != nil {
		fmt.Fprintln(os.Stderr, "\ndemo:", err)
		os.Exit(1)
	}
}

// demo is what the steps share.
type demo struct {
	terminal
	stack      *stack.Stack
	repository string
	digest     string // of the last push
	hash       string // contextHash of the last push
}

// run prepares a registry and a stack and shows the steps. It removes everything at the end, also after an error.
func run(ctx context.Context, out terminal) (err error) {
	bin, err := filepath.Abs("bin")
	if err != nil {
		return err
	}
	registry, err := stack.StartRegistry(ctx, bin)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, registry.Close()) }()
	s, err := stack.Open(ctx, stack.Config{Bin: bin, Program: os.DirFS("examples/go-server"), Idle: idle, Output: out})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeStack(ctx, s)) }()

	d := &demo{terminal: out, stack: s, repository: registry.Host + "/go-server"}
	for i, step := range steps {
		started := time.Now()
		d.headline(fmt.Sprintf("%d. %s", i+1, step.title))
		if err := step.show(d, ctx); err != nil {
			return withCause(ctx, fmt.Errorf("%s: %w", step.title, err))
		}
		d.note("%.1f s", time.Since(started).Seconds())
	}
	return nil
}

var steps = []struct {
	title string
	show  func(*demo, context.Context) error
}{
	{"A program, a registry, two settings", (*demo).configure},
	{"Build for two platforms and push", (*demo).create},
	{"Pull the image back and run it", (*demo).serve},
	{"Update without a change", (*demo).repeat},
	{"Change a source file", (*demo).change},
	{"Destroy", (*demo).destroy},
}

// pulumi shows and runs a command. It returns an error unless the command succeeds.
func (d *demo) pulumi(ctx context.Context, args ...string) error {
	d.command("pulumi " + strings.Join(args, " "))
	result, err := d.stack.Run(ctx, append(args, "--color", d.color())...)
	if err == nil && result.Code != 0 {
		err = fmt.Errorf("pulumi %s ended with exit code %d", args[0], result.Code)
	}
	return err
}

// closeStack closes the stack. It ignores the end of ctx, so that it cleans up after an interrupt too.
func closeStack(ctx context.Context, s *stack.Stack) error {
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), time.Minute,
		errors.New("cleaning up took over a minute"))
	defer cancel()
	return s.Close(ctx)
}

// withCause adds to an error of a step that the demo was interrupted.
func withCause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("ended early, %w, in the step: %w", context.Cause(ctx), err)
	}
	return err
}

// goroot returns the folder of the Go installation.
func goroot(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return "", fmt.Errorf("go env GOROOT: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}
