//go:build linux

package stack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// commandTime bounds one CLI command: a cold build of a Go program for two platforms on a busy machine takes a minute.
const commandTime = 5 * time.Minute

// Result is a finished command.
type Result struct {
	Stdout, Stderr string
	Code           int // exit code; -1: ended by a signal
	Elapsed        time.Duration
}

// All is everything that a person would have read.
func (r Result) All() string { return r.Stdout + r.Stderr }

// Process is a running command.
type Process struct {
	cmd            *exec.Cmd
	stdout, stderr bytes.Buffer
	started        time.Time
	ended          <-chan error
	release        context.CancelFunc
}

// Run is Start and Wait. The error is one of running the command; a command that failed is a Result with its exit code.
func (s *Stack) Run(ctx context.Context, args ...string) (Result, error) {
	p, err := s.Start(ctx, args...)
	if err != nil {
		return Result{}, err
	}
	return p.Wait()
}

// Exec runs another program than the CLI as Run does, in the folder and with the environment that the CLI has.
func (s *Stack) Exec(ctx context.Context, program string, args ...string) (Result, error) {
	other := *s
	other.pulumi = program
	return other.Run(ctx, args...)
}

// Start runs pulumi with args in a process group of its own. When ctx or 5 minutes end it is interrupted as with Ctrl-C, and killed
// 10 s later. The caller owes a Wait.
func (s *Stack) Start(ctx context.Context, args ...string) (*Process, error) {
	ctx, release := context.WithTimeoutCause(ctx, commandTime,
		fmt.Errorf("pulumi %s took longer than %s", strings.Join(args, " "), commandTime))
	p := &Process{cmd: exec.CommandContext(ctx, s.pulumi, args...), started: time.Now(), release: release}
	p.cmd.Dir, p.cmd.Env = s.Dir, s.env
	p.cmd.Stdout, p.cmd.Stderr = tee(&p.stdout, s.output), tee(&p.stderr, s.output)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if s.user != nil {
		p.cmd.SysProcAttr.Credential = &syscall.Credential{Uid: s.user.UID, Gid: s.user.GID}
	}
	p.cmd.Cancel = p.Interrupt
	p.cmd.WaitDelay = 10 * time.Second
	var err error
	if p.ended, err = launch(p.cmd); err != nil {
		release()
		return nil, err
	}
	return p, nil
}

// launch starts cmd and reports its end. The thread stays: the kernel's parent-death signal is the thread's death, not the process's.
func launch(cmd *exec.Cmd) (<-chan error, error) {
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

// Interrupt is a person's Ctrl-C: a terminal sends it to the whole foreground group.
func (p *Process) Interrupt() error { return syscall.Kill(-p.cmd.Process.Pid, syscall.SIGINT) }

// Kill is kill -9 of the CLI alone.
func (p *Process) Kill() error { return p.cmd.Process.Kill() }

// PID is the CLI's.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Wait returns when the command has ended, which Start has bounded. Call it once.
func (p *Process) Wait() (Result, error) {
	defer p.release()
	err := <-p.ended
	result := Result{
		Stdout: p.stdout.String(), Stderr: p.stderr.String(),
		Code: p.cmd.ProcessState.ExitCode(), Elapsed: time.Since(p.started),
	}
	lookFor("output of "+strings.Join(p.cmd.Args, " "), []byte(result.All()))
	if exit := new(exec.ExitError); err == nil || errors.As(err, &exit) {
		return result, nil
	}
	return result, fmt.Errorf("%s: %w", strings.Join(p.cmd.Args, " "), err)
}

func tee(buffer *bytes.Buffer, also io.Writer) io.Writer {
	if also == nil {
		return buffer
	}
	return io.MultiWriter(buffer, also)
}
