package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"

	"github.com/moby/buildkit/client"
	"golang.org/x/sys/unix"
)

// dial connects to the daemon of this place, and to nobody else who listens on its socket.
func (p place) dial(ctx context.Context) (net.Conn, error) {
	conn, peer, err := p.Dial(ctx, socketFile)
	if err != nil {
		return nil, err
	}
	if err := p.checkPeer(peer); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

// checkPeer returns an error unless the process belongs to root or this user and has the alive lock, which only our
// keeper passes on. Of a process in another PID namespace only the user is checked.
func (p place) checkPeer(peer *unix.Ucred) error {
	socket := p.path(socketFile)
	if peer.Uid != 0 && int(peer.Uid) != os.Geteuid() {
		return fmt.Errorf("%s: user %d listens there, not root or user %d", socket, peer.Uid, os.Geteuid())
	}
	if peer.Pid == 0 {
		return nil
	}
	alive, err := p.Lstat(aliveLock)
	if err != nil {
		return err
	}
	if !holds(int(peer.Pid), alive) {
		return fmt.Errorf("%s: process %d listens there, which is not the daemon that a keeper started",
			socket, peer.Pid)
	}
	return nil
}

// holds tells whether a process has the file open.
func holds(pid int, file os.FileInfo) bool {
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

// anyAddress stands for the address of a daemon where the dialer knows it: a client understands it as a URL, and a path may
// be none.
const anyAddress = "unix:///" + socketFile

// answers tells whether the daemon of this place answers right now.
func (p place) answers(ctx context.Context) bool {
	if !p.hasSocket() {
		return false
	}
	ctx, stop := context.WithTimeoutCause(ctx, answerLimit, errors.New("no answer"))
	defer stop()
	dial := func(ctx context.Context, _ string) (net.Conn, error) { return p.dial(ctx) }
	c, err := client.New(ctx, anyAddress, client.WithContextDialer(dial))
	if err != nil {
		return false
	}
	defer func() { _ = c.Close() }()
	_, err = c.Info(ctx)
	return err == nil
}

func (p place) hasSocket() bool {
	_, err := p.Lstat(socketFile)
	return err == nil
}
