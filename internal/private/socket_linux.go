package private

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// Dial connects to the Unix socket name and returns who listened there. The error is an *UnsafeError if it is no
// socket, or belongs to another user. The caller judges the peer: a socket may have been moved here.
func (f *Folder) Dial(ctx context.Context, name string) (*net.UnixConn, *unix.Ucred, error) {
	socket, err := f.openSocket(name)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = socket.Close() }()
	// Not by its path, where another socket may be by now.
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", descriptorPath(socket))
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", filepath.Join(f.path, name), err)
	}
	peer, err := peerOf(conn.(*net.UnixConn))
	if err != nil {
		return nil, nil, errors.Join(err, conn.Close())
	}
	return conn.(*net.UnixConn), peer, nil
}

// openSocket returns a handle on the socket itself, without connecting.
func (f *Folder) openSocket(name string) (*os.File, error) {
	socket, err := f.root.OpenFile(name, unix.O_PATH|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(f.path, name)
	info, err := socket.Stat()
	if err == nil && info.Mode()&fs.ModeSocket == 0 {
		err = &UnsafeError{Path: path, Reason: "it is " + kind(info.Mode()) + ", not a socket"}
	}
	if err == nil {
		err = checkOwner(path, info)
	}
	if err != nil {
		return nil, errors.Join(err, socket.Close())
	}
	return socket, nil
}

// peerOf returns the process that began to listen on the other side, as this process's namespaces show it.
func peerOf(conn *net.UnixConn) (*unix.Ucred, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	var peer *unix.Ucred
	called := raw.Control(func(fd uintptr) {
		peer, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	return peer, errors.Join(called, err)
}

// Handle returns the open folder, and a path to it that no other process can redirect. The path holds in this process,
// as long as the folder is open.
func (f *Folder) Handle() (folder *os.File, path string, err error) {
	if folder, err = f.root.Open("."); err != nil {
		return nil, "", err
	}
	return folder, descriptorPath(folder), nil
}

func descriptorPath(f *os.File) string { return "/proc/self/fd/" + strconv.Itoa(int(f.Fd())) }
