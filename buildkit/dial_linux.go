package buildkit

import (
	"context"
	"net"
	"strconv"

	"golang.org/x/sys/unix"
)

// socketPathLimit is the number of bytes in a sockaddr_un, without the zero byte at its end.
const socketPathLimit = 107

// dialSocket connects to the Unix socket at path, which may be of any length.
func dialSocket(ctx context.Context, path string) (net.Conn, error) {
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
