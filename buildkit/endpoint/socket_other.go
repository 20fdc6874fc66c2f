//go:build !linux

package endpoint

import (
	"context"
	"net"
)

// DialSocket connects to the Unix socket at path.
func DialSocket(ctx context.Context, path string) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, "unix", path)
}
