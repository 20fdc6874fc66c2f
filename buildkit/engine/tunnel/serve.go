package tunnel

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
)

// Serve connects what comes through conn to the target on this machine. It returns when conn or ctx ends, and closes
// conn. The connections to the target end a moment later.
func Serve(ctx context.Context, conn net.Conn, t Target) error {
	listener := &singleListener{conn: conn, ended: make(chan struct{})}
	server := &http.Server{
		Handler:           handler{target: t},
		Protocols:         new(http.Protocols),
		ReadHeaderTimeout: dialLimit,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: maxConnections, SendPingTimeout: pingInterval, PingTimeout: pingLimit,
		},
		ConnState: func(_ net.Conn, state http.ConnState) {
			if state == http.StateClosed || state == http.StateHijacked {
				listener.end()
			}
		},
	}
	server.Protocols.SetUnencryptedHTTP2(true)
	stop := context.AfterFunc(ctx, func() { _ = server.Close(); listener.end() }) //nolint:forbidigo // cannot panic
	defer stop()
	err := server.Serve(listener)
	_ = server.Close()
	if errors.Is(err, http.ErrServerClosed) || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// singleListener accepts one connection. The next Accept waits until that ends.
type singleListener struct {
	conn  net.Conn // nil: accepted
	once  sync.Once
	ended chan struct{}
}

// Accept implements net.Listener. One goroutine calls it.
func (l *singleListener) Accept() (net.Conn, error) {
	if conn := l.conn; conn != nil {
		l.conn = nil
		return conn, nil
	}
	<-l.ended
	return nil, net.ErrClosed
}

func (l *singleListener) end() { l.once.Do(func() { close(l.ended) }) }

// Close implements net.Listener.
func (l *singleListener) Close() error { l.end(); return nil }

// Addr implements net.Listener.
func (l *singleListener) Addr() net.Addr { return noAddr{} }

// handler connects each CONNECT to the target. Whatever else the other side asks for, it gets no other address.
type handler struct{ target Target }

// ServeHTTP implements http.Handler.
func (h handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodConnect {
		http.Error(w, "only CONNECT", http.StatusMethodNotAllowed)
		return
	}
	conn, err := h.target.Dial(r.Context())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer func() { _ = conn.Close() }()
	w.WriteHeader(http.StatusOK)
	out := http.NewResponseController(w)
	if out.Flush() != nil {
		return
	}
	var sending sync.WaitGroup
	rescue.GoGroup(&sending, func(error) { _ = conn.Close() }, func() {
		_, err := io.Copy(conn, r.Body)
		if half, ok := conn.(interface{ CloseWrite() error }); ok && err == nil {
			_ = half.CloseWrite()
			return
		}
		_ = conn.Close()
	})
	_, _ = io.Copy(flusher{w: w, out: out}, conn)
	_, _ = conn.Close(), r.Body.Close()
	sending.Wait()
}

// flusher sends each write at once: the other side waits for it.
type flusher struct {
	w   io.Writer
	out *http.ResponseController
}

// Write implements io.Writer.
func (f flusher) Write(p []byte) (int, error) {
	n, err := f.w.Write(p)
	if err == nil {
		err = f.out.Flush()
	}
	return n, err
}

// noAddr is the address of one side of an exec, which has none.
type noAddr struct{}

// Network implements net.Addr.
func (noAddr) Network() string { return "exec" }

// String implements net.Addr.
func (noAddr) String() string { return "exec" }
