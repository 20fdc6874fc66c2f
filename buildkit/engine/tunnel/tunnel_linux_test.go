package tunnel

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"
)

// serveEcho listens at an address until the end of the test. It sends back what a connection sends, and then says bye.
func serveEcho(t *testing.T, address string) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				_, _ = io.Copy(conn, conn)
				_, _ = io.WriteString(conn, "bye")
			}()
		}
	}()
	return listener.Addr().String()
}

// newProof returns a proof that nobody answers. The question is the name of the machine.
func newProof(machine string) Proof {
	return Proof{Port: 1, Question: machine, Answer: rand.Text()}
}

// newVerdict returns what the plugin on a machine says about holders.
func newVerdict(machine string, holders []Proof, stop bool) Verdict {
	isHere := func(p Proof) bool { return p.Question == machine }
	return Verdict{Here: slices.ContainsFunc(holders, isHere), Stop: stop}
}

// send writes a line of JSON and decodes the line that comes back.
func send(t *testing.T, conn net.Conn, in *bufio.Reader, message any) (found Answer) {
	t.Helper()
	line, err := json.Marshal(message)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write(append(line, '\n')); err != nil {
		t.Fatal(err)
	}
	text, err := in.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(text, &found)
	}
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// open runs both sides of a tunnel. It returns the state and what ends the tunnel.
func open(t *testing.T, folder, machine string, request Request, to Target) (state State, stop func() error) {
	t.Helper()
	if request.Proof.Answer == "" {
		request.Proof = newProof(machine)
	}
	inside, outside := net.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := Listen(t.Context(), folder, inside, inside)
		if errors.Is(err, io.ErrClosedPipe) { // the tunnel ended before HTTP/2 began
			err = nil
		}
		ended <- errors.Join(err, inside.Close())
	}()
	in := bufio.NewReader(outside)
	found := send(t, outside, in, request)
	for found.State == Asking {
		found = send(t, outside, in, newVerdict(machine, found.Holders, true))
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	served := make(chan error, 1)
	if found.State == Listening {
		go func() { served <- Serve(ctx, outside, to) }()
	} else {
		served <- nil
	}
	return found.State, func() error {
		cancel(nil)
		return errors.Join(<-served, outside.Close(), <-ended)
	}
}

// at returns the request for an address.
func at(addresses ...string) Request { return Request{Addresses: addresses} }

// talk sends a text through a new connection, ends its own half, and returns all that comes back.
func talk(t *testing.T, address, text string) (string, error) {
	t.Helper()
	conn, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	go func() {
		_, _ = io.WriteString(conn, text)
		_ = conn.(*net.TCPConn).CloseWrite()
	}()
	got, err := io.ReadAll(conn)
	return string(got), err
}

// freeAddress returns a port of 127.0.0.2 at which nothing listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}

// Many connections pass at once, each half ends by itself, and nothing listens after the end.
func TestTunnel(t *testing.T) {
	t.Parallel()
	target := Target{[]string{"127.0.0.1:1", serveEcho(t, "127.0.0.1:0")}}
	from := freeAddress(t)
	state, stop := open(t, t.TempDir(), "one", at(from), target)
	if state != Listening {
		t.Fatalf("got %s", state)
	}
	text := strings.Repeat("0123456789abcdef", 1<<14)
	results := make(chan error)
	for range 20 {
		go func() {
			got, err := talk(t, from, text)
			if err == nil && got != text+"bye" {
				err = errors.New("other bytes came back")
			}
			results <- err
		}()
	}
	for range 20 {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	if _, err := talk(t, from, ""); err == nil {
		t.Error("somebody listens after the end of the tunnel")
	}
}

// A connection ends at once if nothing listens on the machine of the plugin any more.
func TestTunnelToNobody(t *testing.T) {
	t.Parallel()
	from := freeAddress(t)
	_, stop := open(t, t.TempDir(), "one", at(from), Target{[]string{"127.0.0.1:1"}})
	if got, err := talk(t, from, "text"); got != "" {
		t.Errorf("got %q, %v", got, err)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// Nobody can make the program listen anywhere but on the loopback.
func TestBadRequests(t *testing.T) {
	t.Parallel()
	for _, address := range []string{
		"0.0.0.0:5000", "10.0.0.1:5000", "[::]:5000", "localhost:5000", "127.0.0.1:0", "127.0.0.1", "[::1%lo]:5000", "",
	} {
		r := Request{Addresses: []string{"127.0.0.1:5000", address}, Proof: newProof("one")}
		if parsed, err := r.parseAddresses(); err == nil {
			t.Errorf("%s: %s", address, parsed)
		}
	}
	for _, r := range []Request{{Proof: newProof("one")}, at("127.0.0.1:5000")} {
		if _, err := r.parseAddresses(); err == nil {
			t.Errorf("%+v is taken", r)
		}
	}
}

func TestTargetOf(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]string{
		"localhost:5000": "127.0.0.1:5000", "LOCALHOST": "127.0.0.1:80", "127.0.0.1:5000": "127.0.0.1:5000",
		"127.1.2.3:5": "127.1.2.3:5", "[::1]:5000": "[::1]:5000", "registry.localhost:5000": "", "10.0.0.1:5000": "",
		"docker.io": "", "0.0.0.0:5000": "", "localhost.example.com:5000": "", "": "",
	} {
		got, ok := TargetOf(host, "80")
		if ok != (want != "") || ok && got.Address() != want {
			t.Errorf("%q: %+v, %t", host, got, ok)
		}
	}
}
