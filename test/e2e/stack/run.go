//go:build linux

package stack

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// commandTime limits one CLI command by default. A cold build of a Go program for two platforms takes a minute on a
// busy machine.
const commandTime = 5 * time.Minute

// Result is a finished command.
type Result struct {
	Stdout, Stderr string
	Code           int           // exit code; -1: ended by a signal
	Computed       time.Duration // processor time of the command and of the processes that it waited for
	Elapsed        time.Duration
}

// All returns everything that a person would have read.
func (r Result) All() string { return r.Stdout + r.Stderr }

// Process is a running command.
type Process struct {
	cmd            *exec.Cmd
	stdout, stderr bytes.Buffer
	started        time.Time
	ended          <-chan error
	release        context.CancelFunc
}

// Run starts the CLI and waits for its end. It returns an error if the command could not be run. A command that failed
// is a Result with its exit code.
func (s *Stack) Run(ctx context.Context, args ...string) (Result, error) {
	p, err := s.Start(ctx, args...)
	if err != nil {
		return Result{}, err
	}
	return p.Wait()
}

// Exec runs another program as Run runs the CLI, in the same folder and environment.
func (s *Stack) Exec(ctx context.Context, program string, args ...string) (Result, error) {
	other := *s
	other.pulumi = program
	return other.Run(ctx, args...)
}

// StartProgram starts another program as Start starts the CLI. output also gets what it prints.
func (s *Stack) StartProgram(ctx context.Context, output io.Writer, program string, args ...string) (*Process, error) {
	other := *s
	other.pulumi, other.output = program, output
	return other.Start(ctx, args...)
}

// Start runs pulumi with args in its own process group. When ctx or the time of the
// stack ends, it interrupts the command as Ctrl-C
// does, and kills it 10 s later. The caller must call Wait.
func (s *Stack) Start(ctx context.Context, args ...string) (*Process, error) {
	ctx, release := context.WithTimeoutCause(ctx, s.commandTime,
		fmt.Errorf("pulumi %s took longer than %s", strings.Join(args, " "), s.commandTime))
	p := &Process{cmd: exec.CommandContext(ctx, s.pulumi, args...), started: time.Now(), release: release}
	p.cmd.Dir, p.cmd.Env = s.Dir, s.env
	p.cmd.Stdout, p.cmd.Stderr = tee(&p.stdout, s.output), tee(&p.stderr, s.output)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if s.machine != nil {
		if err := runOn(*s.machine, p.cmd); err != nil {
			release()
			return nil, err
		}
	}
	p.cmd.Cancel = p.Interrupt
	p.cmd.WaitDelay = 10 * time.Second
	var err error
	if p.ended, err = startCommand(p.cmd); err != nil {
		release()
		return nil, err
	}
	return p, nil
}

// startCommand starts cmd. The channel receives the result when cmd has ended.
//
// The thread stays until then, because the kernel sends the parent-death signal when the thread ends, not when the
// process does.
func startCommand(cmd *exec.Cmd) (<-chan error, error) {
	started, ended := make(chan error, 1), make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			ended <- cmd.Wait()
		}
	}()
	return ended, <-started
}

// Interrupt sends SIGINT to the whole process group, as a terminal does for Ctrl-C.
func (p *Process) Interrupt() error { return syscall.Kill(-p.cmd.Process.Pid, syscall.SIGINT) }

// Kill sends SIGKILL to the CLI alone.
func (p *Process) Kill() error { return p.cmd.Process.Kill() }

// PID returns the process ID of the CLI.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Wait returns when the command has ended, within the limit of Start. Call it once.
func (p *Process) Wait() (Result, error) {
	defer p.release()
	err := <-p.ended
	result := Result{
		Stdout: p.stdout.String(), Stderr: p.stderr.String(),
		Code: p.cmd.ProcessState.ExitCode(), Elapsed: time.Since(p.started),
		Computed: p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime(),
	}
	LookFor("output of "+strings.Join(p.cmd.Args, " "), []byte(result.All()))
	if exit := new(exec.ExitError); err == nil || errors.As(err, &exit) {
		return result, nil
	}
	return result, fmt.Errorf("%s: %w", strings.Join(p.cmd.Args, " "), err)
}

// tee returns a writer to buffer and, if it is not nil, to also.
func tee(buffer *bytes.Buffer, also io.Writer) io.Writer {
	if also == nil {
		return buffer
	}
	return io.MultiWriter(buffer, also)
}

// Plugins returns the processes of the stack: the CLI, its language host and the plugin. The daemon and its keeper are
// not among them. They have left the session, because they outlive the stack.
func (s *Stack) Plugins() []Proc {
	session := ownSession()
	return Processes(func(p Proc) bool {
		return p.session == session && p.Mentions(s.root+"/")
	})
}

// AwaitEnd waits up to 30 s until the processes of the stack have ended. It kills those that have not, and returns an
// error that names them.
func (s *Stack) AwaitEnd(ctx context.Context) error {
	return awaitNone(ctx, 30*time.Second, "after the command", s.Plugins)
}

// Resource is one resource in the state of a stack. Secrets in it are encrypted.
type Resource struct {
	URN        string
	ID         string
	Type       string
	Inputs     map[string]any
	Outputs    map[string]any
	InitErrors []string
}

// Export returns the resources in the state, without the stack and the providers.
//
// It reads the file of the backend instead of running pulumi stack export, because starting the CLI takes half a
// second.
func (s *Stack) Export() ([]Resource, error) {
	path := filepath.Join(s.root, "state", ".pulumi", "stacks", s.project, "dev.json")
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var state struct {
		Checkpoint struct {
			Latest struct{ Resources []Resource }
		}
	}
	if err := json.Unmarshal(text, &state); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return slices.DeleteFunc(state.Checkpoint.Latest.Resources, func(r Resource) bool {
		return r.Type == "pulumi:pulumi:Stack" || r.Type == "pulumi:providers:buildkit"
	}), nil
}
