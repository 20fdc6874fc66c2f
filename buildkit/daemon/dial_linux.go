package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"

	bk "github.com/moby/buildkit/client"
	"golang.org/x/sys/unix"
)

// dial connects to the daemon of the folder. It returns an error if another process listens on the socket.
func dial(ctx context.Context, f daemonFolder) (net.Conn, error) {
	conn, peer, err := f.Dial(ctx, socketFile)
	if err != nil {
		return nil, err
	}
	if err := checkPeer(f, peer); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

// checkPeer returns an error unless the process belongs to root or this user, and has the alive lock open, which only
// our keeper passes on. For a process in another PID namespace it checks the user only.
func checkPeer(f daemonFolder, peer *unix.Ucred) error {
	socket := f.path(socketFile)
	if peer.Uid != 0 && int(peer.Uid) != os.Geteuid() {
		return fmt.Errorf("%s: user %d listens there, not root or user %d", socket, peer.Uid, os.Geteuid())
	}
	if peer.Pid == 0 {
		return nil
	}
	lock, err := f.Lstat(aliveLockFile)
	if err != nil {
		return err
	}
	if !hasOpen(int(peer.Pid), lock) {
		return fmt.Errorf("%s: process %d listens there, which is not the daemon that a keeper started",
			socket, peer.Pid)
	}
	return nil
}

// hasOpen reports whether a process has the file open.
func hasOpen(pid int, file os.FileInfo) bool {
	open := filepath.Join("/proc", strconv.Itoa(pid), "fd")
	matches := func(fd string) bool {
		info, err := os.Stat(filepath.Join(open, fd))
		return err == nil && os.SameFile(info, file)
	}
	if matches(strconv.Itoa(aliveFD)) {
		return true
	}
	fds, err := os.ReadDir(open)
	if err != nil {
		return false
	}
	for _, fd := range fds {
		if matches(fd.Name()) {
			return true
		}
	}
	return false
}

// anyEndpoint is what BuildKit's client gets as endpoint; our dialer does not look at it. The client parses it as a
// URL, and not every path is one.
const anyEndpoint = "unix:///" + socketFile

// newClient returns a client of the daemon of the folder. The caller closes it.
func newClient(ctx context.Context, f daemonFolder) (*bk.Client, error) {
	dialer := func(ctx context.Context, _ string) (net.Conn, error) { return dial(ctx, f) }
	return bk.New(ctx, anyEndpoint, bk.WithContextDialer(dialer))
}

// isReady reports whether the daemon of the folder answers right now.
func isReady(ctx context.Context, f daemonFolder) bool {
	if !hasSocket(f) {
		return false
	}
	ctx, cancel := context.WithTimeoutCause(ctx, answerLimit, errors.New("no answer"))
	defer cancel()
	c, err := newClient(ctx, f)
	if err != nil {
		return false
	}
	defer func() { _ = c.Close() }()
	_, err = c.Info(ctx)
	return err == nil
}

func hasSocket(f daemonFolder) bool {
	_, err := f.Lstat(socketFile)
	return err == nil
}
