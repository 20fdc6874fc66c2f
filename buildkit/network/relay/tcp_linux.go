package relay

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
)

const (
	dialLimit  = 30 * time.Second
	closedPoll = 100 * time.Millisecond
)

// acceptTCP serves a connection that the step opens, in a goroutine of the stack's. The step sees it opened when its
// destination has accepted, and reset when that did not, or when it may not be dialed.
func acceptTCP(s *step, request *tcp.ForwarderRequest) {
	defer rescue.Recover(func(caught *rescue.PanicError) { report(caught) })
	to, ok := destinationOf(s, request.ID())
	if !ok {
		request.Complete(true)
		return
	}
	step, all, ok := s.connections.take()
	if !ok {
		request.Complete(true)
		return
	}
	defer s.connections.release()
	if to.resolver {
		if inner, err := accept(request, smallBuffer); err == nil {
			answerStream(s, inner)
			awaitClosed(s, inner)
		}
		return
	}
	dialer := net.Dialer{Timeout: dialLimit}
	conn, err := dialer.DialContext(s.ctx, "tcp", to.addr.String())
	if err != nil {
		request.Complete(true)
		return
	}
	outer := outerConn{conn.(*net.TCPConn)}
	inner, err := accept(request, buffers(step, all))
	if err != nil {
		outer.abort()
		return
	}
	join(s.ctx, inner, outer)
	awaitClosed(s, inner)
}

// accept completes the handshake with the step.
func accept(request *tcp.ForwarderRequest, buffer int64) (innerConn, error) {
	var queue waiter.Queue
	endpoint, failure := request.CreateEndpoint(&queue)
	request.Complete(failure != nil)
	if failure != nil {
		return innerConn{}, fmt.Errorf("handshake: %v", failure)
	}
	endpoint.SocketOptions().SetSendBufferSize(buffer, true)
	endpoint.SocketOptions().SetReceiveBufferSize(buffer, true)
	if err := keepAlive(endpoint); err != nil {
		endpoint.Abort()
		return innerConn{}, err
	}
	return innerConn{TCPConn: gonet.NewTCPConn(&queue, endpoint), endpoint: endpoint}, nil
}

// How long a connection is silent before the step is asked whether it still has it, and how often.
const (
	probeAfter = 15 * time.Second
	probes     = 3
)

// keepAlive ends connections that a step has forged, or has left behind in a namespace that the next step got: its
// kernel answers that it knows them not.
func keepAlive(endpoint tcpip.Endpoint) error {
	idle, interval := tcpip.KeepaliveIdleOption(probeAfter), tcpip.KeepaliveIntervalOption(probeAfter)
	for _, option := range []tcpip.SettableSocketOption{&idle, &interval} {
		if err := endpoint.SetSockOpt(option); err != nil {
			return fmt.Errorf("%T: %v", option, err)
		}
	}
	if err := endpoint.SetSockOptInt(tcpip.KeepaliveCountOption, probes); err != nil {
		return fmt.Errorf("keep-alive: %v", err)
	}
	endpoint.SocketOptions().SetKeepAlive(true)
	return nil
}

// halfConn is one of two connections that are joined.
type halfConn interface {
	io.ReadWriteCloser
	CloseWrite() error
	abort() // closes with a reset
}

// innerConn leads to the step.
type innerConn struct {
	*gonet.TCPConn
	endpoint tcpip.Endpoint
}

func (c innerConn) abort() { c.endpoint.Abort() }

// outerConn leads to the destination.
type outerConn struct{ *net.TCPConn }

func (c outerConn) abort() {
	_ = c.SetLinger(0)
	_ = c.Close()
}

// join copies both ways until both sides have ended. A side that fails, or the end of ctx, resets the other too.
func join(ctx context.Context, a, b halfConn) {
	abort := func() {
		a.abort()
		b.abort()
	}
	defer whenDone(ctx, abort)()
	fail := func(err error) {
		report(err)
		abort()
	}
	carry := func(to, from halfConn) {
		if _, err := io.Copy(to, from); err != nil {
			abort()
		} else if err := to.CloseWrite(); err != nil {
			abort()
		}
	}
	var both sync.WaitGroup
	rescue.GoGroup(&both, fail, func() { carry(a, b) })
	rescue.GoGroup(&both, fail, func() { carry(b, a) })
	both.Wait()
	_, _ = a.Close(), b.Close()
}

// awaitClosed returns when the stack has let go of a connection that was closed. Until then the step has not taken what
// was sent to it, and it counts.
func awaitClosed(s *step, conn innerConn) {
	tick := time.NewTicker(closedPoll)
	defer tick.Stop()
	for {
		switch tcp.EndpointState(conn.endpoint.State()) {
		case tcp.StateInitial, tcp.StateTimeWait, tcp.StateClose, tcp.StateError:
			return
		}
		select {
		case <-tick.C:
		case <-s.ctx.Done():
			return
		}
	}
}
