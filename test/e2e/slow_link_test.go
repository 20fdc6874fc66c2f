//go:build linux

package e2e

import (
	"context"
	"net"
	"testing"
	"time"
)

// startSlowLink returns an address that leads to another one. What is sent arrives later by delay, either way. The link
// carries as much as it gets: only its latency is that of a network.
func startSlowLink(t testing.TB, address string, delay time.Duration) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for conn, err := listener.Accept(); err == nil; conn, err = listener.Accept() {
			go func() {
				other, err := net.Dial("tcp", address)
				if err != nil {
					_ = conn.Close()
					return
				}
				connected := time.Now().Add(2 * delay) // the handshake of TCP
				go copyLater(t.Context(), other, conn, connected, delay)
				copyLater(t.Context(), conn, other, connected, delay)
			}()
		}
	}()
	return listener.Addr().String()
}

// packet is what arrives at a time.
type packet struct {
	at   time.Time
	data []byte
}

// copyLater copies from one connection to another until one of them or the test ends, and closes the receiving one.
// Nothing arrives before connected.
func copyLater(ctx context.Context, to, from net.Conn, connected time.Time, delay time.Duration) {
	defer func() { _ = to.Close() }()
	packets := make(chan packet, 1<<10)
	go func() {
		defer close(packets)
		for {
			data := make([]byte, 32<<10)
			n, err := from.Read(data)
			at := time.Now()
			if at.Before(connected) {
				at = connected
			}
			packets <- packet{at.Add(delay), data[:n]}
			if err != nil {
				return
			}
		}
	}()
	for p := range packets {
		arrival := time.NewTimer(time.Until(p.at))
		select {
		case <-arrival.C:
		case <-ctx.Done(): // what is left arrives at once
		}
		_, _ = to.Write(p.data) // after an error the reader ends too
	}
}
