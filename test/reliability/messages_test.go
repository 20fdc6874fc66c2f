//go:build linux

package reliability

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon"
	"github.com/pulumi-buildkit/pulumi-buildkit/test/faults"
)

// messages is a daemon behind a proxy that counts the messages between the plugin and the daemon.
type messages struct {
	folder string // of the daemon
	proxy  *faults.Daemon
	socket string
	lease  *daemon.Lease
}

// startMessages starts the daemon in folder and the proxy.
func startMessages(folder string) (*messages, error) {
	sockets, err := os.MkdirTemp("", "socket-")
	if err != nil {
		return nil, err
	}
	m := &messages{folder: folder, socket: filepath.Join(sockets, "s")}
	if m.lease, err = m.acquire(context.Background()); err != nil {
		return nil, errors.Join(err, os.RemoveAll(sockets))
	}
	listener, err := net.Listen("unix", m.socket)
	if err != nil {
		return nil, errors.Join(err, m.lease.Release(), os.RemoveAll(sockets))
	}
	m.proxy = faults.NewDaemon(listener, strings.TrimPrefix(m.lease.Endpoint(), "unix://"),
		map[string]func(){killDaemon: func() { killBuilder(folder) }})
	return m, nil
}

func (m *messages) acquire(ctx context.Context) (*daemon.Lease, error) {
	return daemon.Acquire(ctx, daemon.Options{Dir: m.folder, Idle: daemonIdle})
}

// endpoint returns the address of the proxy. It starts the daemon again if a fault ended it.
func (m *messages) endpoint(ctx context.Context) (string, error) {
	if m.lease.ExitReason(ctx) != nil {
		_ = m.lease.Release()
		lease, err := m.acquire(ctx)
		if err != nil {
			return "", err
		}
		m.lease = lease
	}
	return "unix://" + m.socket, nil
}

// close ends the proxy and releases the daemon, which ends after its idle time.
func (m *messages) close() error {
	return errors.Join(m.proxy.Close(), m.lease.Release(), os.RemoveAll(filepath.Dir(m.socket)))
}
