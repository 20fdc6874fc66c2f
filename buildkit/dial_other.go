//go:build !linux

package buildkit

import (
	"context"
	"net"
)

// dialSocket connects to the Unix socket at path.
func dialSocket(ctx context.Context, path string) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, "unix", path)
}
