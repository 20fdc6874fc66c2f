package endpoint

import (
	"context"
	"net"
	"strconv"

	"golang.org/x/sys/unix"
)

// socketPathLimit is the length of the longest path that fits into a sockaddr_un.
const socketPathLimit = 107

// DialSocket connects to the Unix socket at path, however long that is.
func DialSocket(ctx context.Context, path string) (net.Conn, error) {
	if len(path) > socketPathLimit {
		socket, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			return nil, err
		}
		defer func() { _ = unix.Close(socket) }()
		path = "/proc/self/fd/" + strconv.Itoa(socket)
	}
	return (&net.Dialer{}).DialContext(ctx, "unix", path)
}
