package relay

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
)

const (
	questionsOfAll    = 512
	questionsOfSocket = 16 // at once: programs ask for both kinds of address from one

	questionLimit = 4096            // bytes; questions are short
	answerLimit   = 5 * time.Second // of all resolvers together; what programs wait for by default
	nextResolver  = time.Second     // after which the next one is asked too
	idleSocket    = 15 * time.Second
)

// answerDatagrams answers what the step asks from one port, until it asks no more.
func answerDatagrams(s *step, inner net.Conn) {
	defer whenDone(s.ctx, func() { _ = inner.Close() })()
	asked := make(chan struct{}, questionsOfSocket)
	buffer := make([]byte, questionLimit)
	for {
		if err := inner.SetReadDeadline(time.Now().Add(idleSocket)); err != nil {
			return
		}
		n, err := inner.Read(buffer)
		if err != nil {
			break
		}
		question := append([]byte(nil), buffer[:n]...)
		select {
		case asked <- struct{}{}:
		default:
			continue // lost; the program asks again
		}
		rescue.Go(report, func() {
			defer func() { <-asked }()
			if answer, err := exchange(s, "udp", question); err == nil {
				_, _ = inner.Write(answer)
			}
		})
	}
	for range questionsOfSocket { // until the last has been answered
		asked <- struct{}{}
	}
}

// answerStream answers the questions of one connection, one after another.
func answerStream(s *step, inner innerConn) {
	defer func() { _ = inner.Close() }()
	defer whenDone(s.ctx, inner.abort)()
	for {
		if err := inner.SetDeadline(time.Now().Add(idleSocket)); err != nil {
			return
		}
		question, err := readMessage(inner)
		if err != nil {
			return
		}
		answer, err := exchange(s, "tcp", question)
		if err != nil {
			return
		}
		if _, err := inner.Write(withLength(answer)); err != nil {
			return
		}
	}
}

// exchange asks the machine's resolvers and returns the first answer. The next resolver is asked too when those before
// it have been silent for a second, or have failed. Only questions pass: no update or transfer of control.
func exchange(s *step, protocol string, question []byte) ([]byte, error) {
	if !isQuestion(question) {
		return nil, errors.New("not a question")
	}
	select {
	case s.relay.questions <- struct{}{}:
		defer func() { <-s.relay.questions }()
	default:
		return nil, errors.New("too many questions")
	}
	ctx, stop := context.WithTimeoutCause(s.ctx, answerLimit, errors.New("no resolver answered"))
	defer stop()
	servers := s.relay.resolvers.list()
	answers := make(chan resolverAnswer, len(servers))
	var refusal resolverAnswer
	for pending := 0; ; {
		var next <-chan time.Time
		if len(servers) > 0 {
			server := servers[0]
			servers = servers[1:]
			pending++
			fail := func(err error) { answers <- resolverAnswer{err: err} }
			rescue.Go(fail, func() { answers <- ask(ctx, protocol, server, question) })
			next = time.After(nextResolver)
		}
		select {
		case answer := <-answers:
			pending--
			if answer.err == nil && !answer.isFailure() {
				return answer.message, nil
			}
			if answer.err == nil || refusal.message == nil {
				refusal = answer
			}
		case <-next:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		if pending == 0 && len(servers) == 0 {
			return refusal.message, refusal.err
		}
	}
}

// resolverAnswer is the answer of a resolver.
type resolverAnswer struct {
	message []byte
	err     error
}

// isFailure reports whether the resolver could not or would not find out: another may.
func (r resolverAnswer) isFailure() bool {
	const serverFailure, refused = 2, 5
	code := r.message[3] & 0xf
	return code == serverFailure || code == refused
}

// ask puts a question to one resolver.
func ask(ctx context.Context, protocol string, server netip.Addr, question []byte) resolverAnswer {
	conn, err := (&net.Dialer{}).DialContext(ctx, protocol, netip.AddrPortFrom(server, dnsPort).String())
	if err != nil {
		return resolverAnswer{err: err}
	}
	defer func() { _ = conn.Close() }()
	defer whenDone(ctx, func() { _ = conn.Close() })()
	message := question
	if protocol == "tcp" {
		message = withLength(question)
	}
	if _, err := conn.Write(message); err != nil {
		return resolverAnswer{err: err}
	}
	for {
		answer, err := readAnswer(protocol, conn)
		if err != nil {
			return resolverAnswer{err: err}
		}
		if len(answer) >= headerSize && answer[0] == question[0] && answer[1] == question[1] {
			return resolverAnswer{message: answer}
		}
	}
}

func readAnswer(protocol string, conn net.Conn) ([]byte, error) {
	if protocol == "tcp" {
		return readMessage(conn)
	}
	buffer := make([]byte, datagramLimit)
	n, err := conn.Read(buffer)
	return buffer[:n:n], err
}

// headerSize is that of a message of DNS (RFC 1035).
const headerSize = 12

func isQuestion(message []byte) bool {
	const response, operation = 0x80, 0x78
	return len(message) >= headerSize && message[2]&(response|operation) == 0
}

// readMessage reads a message of a stream, where each follows its length.
func readMessage(from io.Reader) ([]byte, error) {
	var size [2]byte
	if _, err := io.ReadFull(from, size[:]); err != nil {
		return nil, err
	}
	message := make([]byte, binary.BigEndian.Uint16(size[:]))
	if _, err := io.ReadFull(from, message); err != nil {
		return nil, fmt.Errorf("a message that ends early: %w", err)
	}
	return message, nil
}

func withLength(message []byte) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(message))), message...)
}
