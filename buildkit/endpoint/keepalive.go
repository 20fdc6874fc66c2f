package endpoint

import (
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"
)

// A daemon that sends nothing for pingInterval gets a ping. The connection ends if the daemon then sends nothing within
// pingLimit.
//
// A daemon on a machine under heavy load answers late, and a link may be down for some seconds. A frozen daemon is
// noticed after half a minute. gRPC allows no shorter interval than 10 s.
const (
	pingInterval = 10 * time.Second
	pingLimit    = 20 * time.Second
)

// KeepAlive returns the option with which a client notices that its daemon is frozen, or that the network drops its
// packets. Without it a client would wait forever.
//
// A silent step is no silent daemon: the daemon answers pings, and asks every few seconds for the health of a session.
func KeepAlive() grpc.DialOption {
	return grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: pingInterval, Timeout: pingLimit})
}
