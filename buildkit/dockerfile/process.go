package dockerfile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"time"

	gateway "github.com/moby/buildkit/frontend/gateway/client"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
)

// drySlots and buildSlots hold one value for each child that runs.
var drySlots, buildSlots = make(chan struct{}, dryProcesses), make(chan struct{}, buildProcesses)

// runChild runs the frontend in a child process. It returns the result of the child, with the references of c.
func runChild(ctx context.Context, c gateway.Client, s Source) (*gateway.Result, error) {
	if os.Getenv(childVariable) != "" {
		return nil, &CrashError{Name: s.Name, Reason: "the program that was started as " + childName + " does not " +
			"know this argument"}
	}
	slots := buildSlots
	if s.Dry {
		slots = drySlots
	}
	select {
	case slots <- struct{}{}:
		defer func() { <-slots }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	p, err := startChild(ctx)
	if err != nil {
		return nil, &CrashError{Name: s.Name, Reason: err.Error()}
	}
	return p.result(ctx, newBridge(c), s)
}

// process is a child that was started.
type process struct {
	cmd    *exec.Cmd
	conn   stdio
	stderr limitedBuffer
}

func startChild(ctx context.Context) (*process, error) {
	self, err := executable()
	if err != nil {
		return nil, err
	}
	p := &process{cmd: exec.CommandContext(ctx, self, childName)}
	p.cmd.Env = childEnvironment()
	p.cmd.Stderr, p.cmd.WaitDelay = &p.stderr, time.Second
	if p.conn.out, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if p.conn.in, err = p.cmd.StdoutPipe(); err != nil {
		return nil, err
	}
	return p, p.cmd.Start()
}

// executable returns the path of this program. On Linux it is found also when an upgrade has replaced its file.
func executable() (string, error) {
	if runtime.GOOS == "linux" {
		return "/proc/self/exe", nil
	}
	return os.Executable()
}

// childEnvironment returns the environment of a child, which holds no secret.
func childEnvironment() []string {
	env := []string{childVariable + "=1"}
	if value, ok := os.LookupEnv("SYSTEMROOT"); ok { // Windows needs it
		env = append(env, "SYSTEMROOT="+value)
	}
	return env
}

// result serves the child until it returns a result or ends. Nothing is left of it afterwards.
func (p *process) result(ctx context.Context, b *bridge, s Source) (*gateway.Result, error) {
	server := b.server()
	exited, served := make(chan error, 1), make(chan struct{})
	rescue.Go(b.fail, func() {
		defer close(served)
		if writeTask(p.conn, b.task(s.Dry)) == nil { // else the child has ended
			_ = server.Serve(newListener(p.conn)) // to the end of the child
		}
	})
	rescue.Go(b.fail, func() { exited <- p.cmd.Wait() })
	var err error
	select {
	case <-b.returned:
		_ = p.cmd.Process.Kill() // it has ended, or waits for the answer
		err = <-exited
	case err = <-exited:
	}
	server.Stop()
	<-served
	select {
	case <-b.returned: // perhaps in the last moment
		return b.outcome()
	default:
		return nil, p.explain(ctx, err, b, s)
	}
}

// explain turns the end of a child into an error.
func (p *process) explain(ctx context.Context, err error, b *bridge, s Source) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	exit, code := new(exec.ExitError), 0
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	}
	switch {
	case code == exitMemory, p.stderr.contains("out of memory"), p.stderr.contains("stack exceeds"),
		p.stderr.contains("cannot allocate memory"):
		return s.budgetError(b.client.BuildOpts(), fmt.Sprintf("%d MiB of memory", memoryLimit>>20))
	case code == exitTime:
		return s.budgetError(b.client.BuildOpts(), fmt.Sprintf("%s of CPU time", cpuLimit))
	case err == nil:
		err = errors.New("it exited")
	}
	return &CrashError{Name: s.Name, Reason: strings.TrimSpace(fmt.Sprintf("%v: %s", err, p.stderr.firstLine()))}
}

// budgetError returns an error that names the line that takes the most.
func (s Source) budgetError(opts gateway.BuildOpts, resource string) error {
	e := &BudgetError{Name: s.Name, Resource: resource}
	if s.Text != nil {
		b := boundOf(s, opts)
		e.Line, e.Text, e.Bases = b.line, shorten(b.text), b.isSmall()
	}
	return e
}

// limitedBuffer keeps the beginning of what is written to it.
type limitedBuffer struct{ text []byte }

func (l *limitedBuffer) Write(p []byte) (int, error) {
	l.text = append(l.text, p[:min(len(p), 4<<10-len(l.text))]...)
	return len(p), nil
}

func (l *limitedBuffer) contains(text string) bool { return bytes.Contains(l.text, []byte(text)) }

func (l *limitedBuffer) firstLine() string {
	line, _, _ := strings.Cut(string(l.text), "\n")
	return line
}

// listener has one connection.
type listener struct {
	stdio
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newListener(conn stdio) *listener {
	l := &listener{stdio: conn, conns: make(chan net.Conn, 1), closed: make(chan struct{})}
	l.conns <- conn
	return l
}

// Accept returns the connection, and then waits for Close.
func (l *listener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close ends Accept. The connection is the server's to close.
func (l *listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr returns an address that leads nowhere.
func (l *listener) Addr() net.Addr { return pipe{} }
