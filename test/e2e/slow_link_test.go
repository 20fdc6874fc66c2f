//go:build linux

package e2e

import (
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
				time.Sleep(2 * delay) // the handshake of TCP
				other, err := net.Dial("tcp", address)
				if err != nil {
					_ = conn.Close()
					return
				}
				go copyLater(other, conn, delay)
				copyLater(conn, other, delay)
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

// copyLater copies from one connection to another until one of them ends, and closes the receiving one.
func copyLater(to, from net.Conn, delay time.Duration) {
	packets := make(chan packet, 1<<10)
	go func() {
		defer close(packets)
		for {
			data := make([]byte, 32<<10)
			n, err := from.Read(data)
			packets <- packet{time.Now().Add(delay), data[:n]}
			if err != nil {
				return
			}
		}
	}()
	for p := range packets {
		time.Sleep(time.Until(p.at))
		_, _ = to.Write(p.data) // after an error the reader ends too
	}
	_ = to.Close()
}
