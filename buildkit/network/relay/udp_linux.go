package relay

import (
	"errors"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
	"gvisor.dev/gvisor/pkg/waiter"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
)

const (
	datagramLimit = 65535
	silence       = time.Minute // after which an exchange of datagrams is over
)

// acceptUDP serves the datagrams between a port of the step and a destination. It is called with the first, and must
// not wait. It is false when the step must not send there: the stack then answers that the port is unreachable.
func acceptUDP(s *step, request *udp.ForwarderRequest) bool {
	to, ok := destinationOf(s, request.ID())
	if !ok {
		return false
	}
	if _, _, ok := s.exchanges.take(); !ok {
		return true // lost
	}
	var queue waiter.Queue
	endpoint, failure := request.CreateEndpoint(&queue)
	if failure != nil {
		s.exchanges.release()
		return true
	}
	inner := gonet.NewUDPConn(&queue, endpoint)
	rescue.Go(report, func() {
		defer s.exchanges.release()
		defer func() { _ = inner.Close() }()
		if to.resolver {
			answerDatagrams(s, inner)
		} else {
			exchangeDatagrams(s, inner, to)
		}
	})
	return true
}

// exchangeDatagrams copies both ways until neither side has sent for the time of silence.
func exchangeDatagrams(s *step, inner net.Conn, to destination) {
	dialer := net.Dialer{Control: refuseBroadcast}
	outer, err := dialer.DialContext(s.ctx, "udp", to.addr.String())
	if err != nil {
		return
	}
	closeBoth := func() { _, _ = inner.Close(), outer.Close() }
	defer closeBoth()
	defer whenDone(s.ctx, closeBoth)()
	var last atomic.Int64 // when a datagram came, in nanoseconds
	last.Store(time.Now().UnixNano())
	back := make(chan struct{})
	rescue.Go(report, func() {
		defer close(back)
		defer closeBoth()
		carryDatagrams(inner, outer, &last)
	})
	carryDatagrams(outer, inner, &last)
	closeBoth()
	<-back
}

func carryDatagrams(to, from net.Conn, last *atomic.Int64) {
	buffer := make([]byte, datagramLimit)
	for {
		quiet := time.Unix(0, last.Load()).Add(silence)
		if err := from.SetReadDeadline(quiet); err != nil {
			return
		}
		n, err := from.Read(buffer)
		var timeout net.Error
		switch {
		case errors.As(err, &timeout) && timeout.Timeout() && time.Now().Before(time.Unix(0, last.Load()).Add(silence)):
			continue
		case err != nil:
			return
		}
		last.Store(time.Now().UnixNano())
		if _, err := to.Write(buffer[:n]); errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrClosed) {
			return
		}
	}
}

// refuseBroadcast undoes what Go sets on each UDP socket: the kernel then refuses the broadcast addresses of the
// machine's networks, which only it knows.
func refuseBroadcast(_, _ string, conn syscall.RawConn) (err error) {
	failed := conn.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_BROADCAST, 0)
	})
	return errors.Join(err, failed)
}
