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

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/endpoint"
)

// WriteCounter returns a function that counts the bytes that the daemon at an endpoint has written since it started, to
// any peer. Bytes in the queues of its connections do not count, because the peer has not taken them yet. ok is false
// if the number is not known.
//
// It returns nil unless the daemon listens on a Unix socket of this machine. The kernel shows the numbers to the user
// of the daemon and to root only: proc_pid_io(5).
func WriteCounter(ctx context.Context, endpoint string) func() (bytes int64, ok bool) {
	pid, ok := localDaemonPID(ctx, endpoint)
	if !ok {
		return nil
	}
	return func() (int64, bool) { return bytesWritten(pid) }
}

// ReadCounter returns a function that counts the bytes that the daemon at an endpoint and its git programs have read so
// far. It returns nil where WriteCounter does.
func ReadCounter(ctx context.Context, endpoint string) func() (bytes int64, ok bool) {
	pid, ok := localDaemonPID(ctx, endpoint)
	if !ok {
		return nil
	}
	return func() (int64, bool) { return bytesRead(pid) }
}

// localDaemonPID returns the process of the daemon at a unix:// endpoint. ok is false if it is not known.
func localDaemonPID(ctx context.Context, endpoint string) (pid int, ok bool) {
	path, isUnix := strings.CutPrefix(endpoint, "unix://")
	if !isUnix {
		return 0, false
	}
	pid, err := listenerPID(ctx, path)
	return pid, err == nil && pid != 0 // 0: in another namespace
}

// listenerPID returns the process that listens on a Unix socket.
func listenerPID(ctx context.Context, path string) (pid int, err error) {
	ctx, stop := context.WithTimeoutCause(ctx, time.Second, errors.New("nobody took the connection within a second"))
	defer stop()
	conn, err := endpoint.DialSocket(ctx, path)
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close() }()
	raw, err := conn.(*net.UnixConn).SyscallConn()
	if err != nil {
		return 0, err
	}
	var peer *unix.Ucred
	closed := raw.Control(func(fd uintptr) {
		peer, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err := errors.Join(closed, err); err != nil {
		return 0, err
	}
	return int(peer.Pid), nil
}

// isDaemon reports whether a process is a BuildKit daemon. The listener of a socket may be a service manager, and the
// daemon may have ended and its number gone to another process.
func isDaemon(pid int) bool { return processName(pid) == "buildkitd" }

// bytesWritten returns how many bytes a daemon has written and its peers have taken.
func bytesWritten(daemon int) (n int64, ok bool) {
	if !isDaemon(daemon) {
		return 0, false
	}
	n, ok = ioCounter(daemon, "wchar")
	if !ok {
		return 0, false
	}
	return n - queuedBytes(daemon), true
}

// queuedBytes returns how many bytes wait in the TCP connections of a process: proc_pid_net(5). A socket holds
// megabytes, which take long on a slow line.
func queuedBytes(pid int) (n int64) {
	own := socketInodes(pid)
	for _, family := range []string{"tcp", "tcp6"} {
		table, err := readProc(pid, "net", family)
		if err != nil {
			continue // the kernel does not know the family
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

// socketInodes returns the inodes of the sockets that a process has open.
func socketInodes(pid int) map[string]bool {
	own := map[string]bool{}
	descriptors, _ := os.ReadDir(procPath(pid, "fd")) // a process that has ended has nothing queued
	for _, d := range descriptors {
		target, _ := os.Readlink(procPath(pid, "fd", d.Name()))
		if inode, ok := strings.CutPrefix(target, "socket:["); ok {
			own[strings.TrimSuffix(inode, "]")] = true
		}
	}
	return own
}

// bytesRead returns how many bytes a daemon and its git programs have read. The kernel does not count the calls by
// which git receives data. It counts the pipes by which git passes the data on.
func bytesRead(daemon int) (n int64, ok bool) {
	if !isDaemon(daemon) {
		return 0, false
	}
	n, ok = ioCounter(daemon, "rchar")
	if !ok {
		return 0, false
	}
	for _, child := range childrenOf(daemon) {
		if strings.HasPrefix(processName(child), "git") {
			n += throughput(child)
		}
	}
	return n, true
}

// throughput returns how many bytes a process and its children have read and written.
func throughput(pid int) int64 {
	read, _ := ioCounter(pid, "rchar")
	written, _ := ioCounter(pid, "wchar")
	n := read + written
	for _, child := range childrenOf(pid) {
		n += throughput(child)
	}
	return n
}

// childrenOf returns the processes that the threads of a process have started.
func childrenOf(pid int) []int {
	threads, _ := os.ReadDir(procPath(pid, "task")) // a process that has ended has no children
	var found []int
	for _, thread := range threads {
		text, err := readProc(pid, "task", thread.Name(), "children")
		if err != nil {
			continue
		}
		for _, field := range strings.Fields(string(text)) {
			if child, err := strconv.Atoi(field); err == nil {
				found = append(found, child)
			}
		}
	}
	return found
}

// processName returns the name of a process; "" if it has ended.
func processName(pid int) string {
	name, _ := readProc(pid, "comm")
	return strings.TrimSpace(string(name))
}

// ioCounter returns the number in a line of proc_pid_io(5). ok is false if there is no such line.
func ioCounter(pid int, field string) (n int64, ok bool) {
	text, err := readProc(pid, "io")
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(text)) {
		if _, err := fmt.Sscanf(line, field+": %d\n", &n); err == nil {
			return n, true
		}
	}
	return 0, false
}

// procPath returns the path of a file of a process: proc(5).
func procPath(pid int, names ...string) string {
	return filepath.Join(append([]string{"/proc", strconv.Itoa(pid)}, names...)...)
}

// readProc reads a file of a process.
func readProc(pid int, names ...string) ([]byte, error) {
	return os.ReadFile(procPath(pid, names...)) //nolint:forbidigo // the kernel wrote it
}
