package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/client"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
)

// NoContainerError says that the engine has no container of a name.
type NoContainerError struct{ Name, Host string }

// Error names the container and the engine.
func (e *NoContainerError) Error() string {
	return fmt.Sprintf("the Docker Engine at %s has no container %q", e.Host, e.Name)
}

// PausedContainerError says that somebody has paused a container. Nothing in it answers until it goes on.
type PausedContainerError struct{ Name, Host string }

// Error names the container and the engine.
func (e *PausedContainerError) Error() string {
	return fmt.Sprintf("the container %s of the Docker Engine at %s is paused", e.Name, e.Host)
}

// startLimit bounds how long a container takes to start.
const startLimit = 30 * time.Second

// StartContainer starts a container that may be stopped or run already. started tells whether it was stopped. It
// returns a *NoContainerError if there is none, and a *PausedContainerError if it is paused.
func (e *Engine) StartContainer(ctx context.Context, name string) (started bool, err error) {
	ctx, stop := context.WithTimeoutCause(ctx, startLimit, fmt.Errorf("it did not start within %s", startLimit))
	defer stop()
	found, err := e.api.ContainerInspect(ctx, name, client.ContainerInspectOptions{})
	if cerrdefs.IsNotFound(err) {
		return false, &NoContainerError{Name: name, Host: e.address.Host}
	}
	if state := found.Container.State; err == nil && state != nil && state.Running {
		if state.Paused {
			return false, &PausedContainerError{Name: name, Host: e.address.Host}
		}
		return false, nil
	}
	if err == nil {
		_, err = e.api.ContainerStart(ctx, name, client.ContainerStartOptions{})
	}
	if err != nil {
		return false, fmt.Errorf("the container %s of the Docker Engine at %s: %w", name, e.address.Host, err)
	}
	return true, nil
}

// Exec runs a program in a running container and returns its standard input and output as a connection, which the
// caller closes. A program that ends in an error ends the connection with what it wrote to standard error.
func (e *Engine) Exec(ctx context.Context, container string, command ...string) (net.Conn, error) {
	created, err := e.api.ExecCreate(ctx, container, client.ExecCreateOptions{
		Cmd: command, AttachStdin: true, AttachStdout: true, AttachStderr: true,
	})
	if cerrdefs.IsNotFound(err) {
		return nil, &NoContainerError{Name: container, Host: e.address.Host}
	}
	var attached client.ExecAttachResult
	if err == nil {
		attached, err = e.api.ExecAttach(ctx, created.ID, client.ExecAttachOptions{})
	}
	if err != nil {
		return nil, fmt.Errorf("%s in the container %s of the Docker Engine at %s: %w",
			command[0], container, e.address.Host, err)
	}
	return newExecConn(attached.Conn, attached.Reader), nil
}

// execConn separates the standard output of a program from its standard error. The engine sends both in one stream.
type execConn struct {
	net.Conn
	output *io.PipeReader
	ended  chan struct{}
}

func newExecConn(conn net.Conn, stream io.Reader) *execConn {
	output, writer := io.Pipe()
	c := &execConn{Conn: conn, output: output, ended: make(chan struct{})}
	end := func(err error) { _ = writer.CloseWithError(err) }
	rescue.Go(end, func() {
		defer close(c.ended)
		var said lastLines
		_, err := stdcopy.StdCopy(writer, &said, stream)
		if text := said.String(); text != "" && (err == nil || errors.Is(err, net.ErrClosed)) {
			err = errors.New(text)
		}
		end(err)
	})
	return c
}

// Read implements net.Conn.
func (c *execConn) Read(p []byte) (int, error) { return c.output.Read(p) }

// Close implements net.Conn. It closes the standard input of the program in the container.
func (c *execConn) Close() error {
	err := errors.Join(c.Conn.Close(), c.output.Close())
	<-c.ended
	return err
}

// lastLines keeps the last lastLinesLimit bytes that are written to it.
type lastLines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

const lastLinesLimit = 4 << 10

// Write implements io.Writer.
func (l *lastLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Write(p)
	if extra := l.text.Len() - lastLinesLimit; extra > 0 {
		l.text.Next(extra)
	}
	return len(p), nil
}

// String returns the bytes that were kept, in one line.
func (l *lastLines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(strings.Fields(l.text.String()), " ")
}
