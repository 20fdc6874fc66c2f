//go:build linux

package attacks

import (
	"io"
	"net"
	"net/netip"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// serveDNS runs a resolver on the machine's loopback until the test ends. It knows downloadName only. By UDP it gives
// truncated answers, so that programs ask again by TCP.
//
// /etc/resolv.conf names a resolver before it that never answers.
func serveDNS(t *testing.T) {
	t.Helper()
	silent, err := net.ListenPacket("udp", silentResolver+":53")
	if err != nil {
		t.Fatal(err)
	}
	datagrams, err := net.ListenPacket("udp", loopbackResolver+":53")
	if err != nil {
		t.Fatal(err)
	}
	stream, err := net.Listen("tcp", loopbackResolver+":53")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _, _ = silent.Close(), datagrams.Close(), stream.Close() })
	go func() {
		buffer := make([]byte, 4096)
		for {
			n, from, err := datagrams.ReadFrom(buffer)
			if err != nil {
				return
			}
			_, _ = datagrams.WriteTo(answerDNS(buffer[:n], true), from)
		}
	}()
	go func() {
		for {
			conn, err := stream.Accept()
			if err != nil {
				return
			}
			var size [2]byte
			if _, err := io.ReadFull(conn, size[:]); err != nil {
				continue
			}
			question := make([]byte, int(size[0])<<8|int(size[1]))
			if _, err := io.ReadFull(conn, question); err != nil {
				continue
			}
			answer := answerDNS(question, false)
			_, _ = conn.Write(append([]byte{byte(len(answer) >> 8), byte(len(answer))}, answer...))
		}
	}()
}

// answerDNS returns the answer to a packed question. With truncated set, the answer has no address and says that it is
// truncated. answerDNS returns nil for anything but one question.
func answerDNS(question []byte, truncated bool) []byte {
	var message dnsmessage.Message
	if err := message.Unpack(question); err != nil || len(message.Questions) != 1 {
		return nil
	}
	asked := message.Questions[0]
	answer := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: message.ID, Response: true, RecursionAvailable: true, Truncated: truncated},
		Questions: message.Questions,
	}
	switch {
	case asked.Name.String() != downloadName+".":
		answer.RCode = dnsmessage.RCodeNameError
	case asked.Type == dnsmessage.TypeA && !truncated:
		answer.Answers = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: asked.Name, Type: asked.Type, Class: asked.Class, TTL: 60},
			Body:   &dnsmessage.AResource{A: netip.MustParseAddr(machineAddr4).As4()},
		}}
	}
	packed, _ := answer.Pack()
	return packed
}
