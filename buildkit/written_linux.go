package buildkit

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// WriteCounter tells how many bytes the daemon at an endpoint has written since it started, to whomever, without what is still in the queues of
// its connections: so far, the other side has taken it. That is known of a daemon that listens on a Unix socket of this machine, by
// proc_pid_io(5), and belongs to this user, or anybody where this user is root.
func WriteCounter(ctx context.Context, endpoint string) func() (bytes int64, known bool) {
	pid, ok := localDaemonPID(ctx, endpoint)
	if !ok {
		return nil
	}
	proc := filepath.Join("/proc", strconv.Itoa(pid))
	return func() (int64, bool) { return bytesWritten(proc) }
}

// localDaemonPID is the process of the daemon at an endpoint of this machine.
func localDaemonPID(ctx context.Context, endpoint string) (pid int, ok bool) {
	path, local := strings.CutPrefix(endpoint, "unix://")
	if !local {
		return 0, false
	}
	pid, err := listenerPID(ctx, path)
	return pid, err == nil && pid != 0 // 0: in another namespace
}

// listenerPID is the process that listens on a Unix socket.
func listenerPID(ctx context.Context, path string) (pid int, err error) {
	ctx, stop := context.WithTimeoutCause(ctx, time.Second, errors.New("nobody took the connection within a second"))
	defer stop()
	conn, err := dialSocket(ctx, path)
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close() }()
	raw, err := conn.(*net.UnixConn).SyscallConn()
	if err != nil {
		return 0, err
	}
	var peer *unix.Ucred
	closed := raw.Control(func(fd uintptr) { peer, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	if err := errors.Join(closed, err); err != nil {
		return 0, err
	}
	return int(peer.Pid), nil
}

func bytesWritten(proc string) (n int64, known bool) {
	// Who listens may be a service manager, and a number may be another process's by now.
	if name, err := os.ReadFile(filepath.Join(proc, "comm")); err != nil || strings.TrimSpace(string(name)) != "buildkitd" {
		return 0, false
	}
	io, err := os.ReadFile(filepath.Join(proc, "io"))
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(io)) {
		if _, err := fmt.Sscanf(line, "wchar: %d\n", &n); err == nil {
			return n - queuedBytes(proc), true
		}
	}
	return 0, false
}

// queuedBytes is what is on its way over the TCP connections of a process, in bytes: proc_pid_net(5). A socket takes megabytes, which a slow
// line is long about.
func queuedBytes(proc string) (n int64) {
	own := socketInodes(proc)
	for _, family := range []string{"tcp", "tcp6"} {
		table, err := os.ReadFile(filepath.Join(proc, "net", family))
		if err != nil {
			continue // a kernel without it
		}
		for line := range strings.Lines(string(table)) {
			fields := strings.Fields(line)
			if len(fields) < 10 || !own[fields[9]] {
				continue
			}
			sending, _, _ := strings.Cut(fields[4], ":")
			bytes, _ := strconv.ParseInt(sending, 16, 64)
			n += bytes
		}
	}
	return n
}

// socketInodes are the inodes of those that a process has open.
func socketInodes(proc string) map[string]bool {
	own := map[string]bool{}
	descriptors, _ := os.ReadDir(filepath.Join(proc, "fd")) // what is not there has nothing queued
	for _, d := range descriptors {
		target, _ := os.Readlink(filepath.Join(proc, "fd", d.Name()))
		if inode, is := strings.CutPrefix(target, "socket:["); is {
			own[strings.TrimSuffix(inode, "]")] = true
		}
	}
	return own
}
