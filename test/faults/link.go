package faults

import (
	"bufio"
	"io"
	"net"
	"sync"
)

// A link is one connection to the daemon: both of its ends and what the proxy knows of its streams.
type link struct {
	client, server net.Conn

	mu      sync.Mutex
	methods map[uint32]string // by stream
	frozen  chan struct{}     // closed if the link is frozen
	ended   chan struct{}     // closed with the connections
	once    struct{ freeze, end sync.Once }
}

func newLink(client, server net.Conn) *link {
	return &link{
		client: client, server: server, methods: map[uint32]string{},
		frozen: make(chan struct{}), ended: make(chan struct{}),
	}
}

// freeze lets nothing pass anymore and keeps both ends open until close.
func (l *link) freeze() { l.once.freeze.Do(func() { close(l.frozen) }) }

func (l *link) isFrozen() bool {
	select {
	case <-l.frozen:
		return true
	default:
		return false
	}
}

// close closes both ends.
func (l *link) close() {
	l.once.end.Do(func() {
		close(l.ended)
		_ = l.client.Close()
		_ = l.server.Close()
	})
}

// reset closes both ends so that each sees a reset. A Unix socket has no such end.
func (l *link) reset() {
	for _, conn := range []net.Conn{l.client, l.server} {
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
	}
	l.close()
}

// setMethod notes the method that a stream calls.
func (l *link) setMethod(stream uint32, method string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.methods[stream] = method
}

func (l *link) method(stream uint32) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.methods[stream]
}

// pump forwards frames from one end to the other until the link ends. c counts their messages.
func (l *link) pump(from, to net.Conn, c *counter) {
	defer l.close()
	r, w := bufio.NewReaderSize(from, 1<<16), bufio.NewWriterSize(to, 1<<16)
	if from == l.client {
		if _, err := io.CopyN(w, r, int64(len(clientPreface))); err != nil {
			return
		}
	}
	for {
		f, err := readFrame(r)
		if err != nil {
			_ = w.Flush()
			return
		}
		pass, more := 0, false
		if !l.isFrozen() {
			pass, more = c.judge(f)
		}
		if l.isFrozen() { // perhaps because of this frame
			<-l.ended
			return
		}
		if _, err := w.Write(f.raw[:pass]); err != nil {
			return
		}
		if !more || r.Buffered() == 0 {
			if err := w.Flush(); err != nil || !more {
				return
			}
		}
	}
}
