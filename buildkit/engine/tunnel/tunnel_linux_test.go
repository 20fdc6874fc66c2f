package tunnel

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/netip"
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

// open runs both sides of a tunnel from an address of the loopback to another. It returns the state and what ends it.
func open(t *testing.T, folder, from, machine string, to Target) (state State, stop func() error) {
	t.Helper()
	inside, outside := net.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- errors.Join(Listen(t.Context(), folder, inside, inside), inside.Close())
	}()
	line, err := json.Marshal(Request{Address: from, Machine: machine})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := outside.Write(append(line, '\n')); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(outside)
	text, err := in.ReadBytes('\n')
	if err != nil {
		t.Fatal(err, <-ended)
	}
	var found Answer
	if err := json.Unmarshal(text, &found); err != nil {
		t.Fatal(err)
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
	target := Target{dials: []string{"127.0.0.1:1", serveEcho(t, "127.0.0.1:0")}}
	from := freeAddress(t)
	state, stop := open(t, t.TempDir(), from, "one", target)
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
	_, stop := open(t, t.TempDir(), from, "one", Target{dials: []string{"127.0.0.1:1"}})
	if got, err := talk(t, from, "text"); got != "" {
		t.Errorf("got %q, %v", got, err)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// What listens in the network of the engine is left alone.
func TestOccupiedAddress(t *testing.T) {
	t.Parallel()
	from := serveEcho(t, "127.0.0.2:0")
	state, stop := open(t, t.TempDir(), from, "one", Target{})
	if state != Occupied {
		t.Errorf("got %s", state)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// Tunnels to one machine share an address, also when the first ends. A tunnel to another machine waits for their end.
func TestClaims(t *testing.T) {
	t.Parallel()
	folder, from := t.TempDir(), freeAddress(t)
	target := Target{dials: []string{serveEcho(t, "127.0.0.1:0")}}
	one, stopOne := open(t, folder, from, "one", target)
	two, stopTwo := open(t, folder, from, "one", target)
	if one != Listening || two != Listening {
		t.Fatalf("got %s, %s", one, two)
	}
	addr := netip.MustParseAddrPort(from)
	short, cancel := context.WithTimeout(t.Context(), 3*claimPoll/2)
	defer cancel()
	if _, occupied, err := claimAddress(short, folder, addr, "other"); occupied || err == nil {
		t.Errorf("a tunnel to another machine is open: %t, %v", occupied, err)
	}
	if err := stopOne(); err != nil {
		t.Error(err)
	}
	if got, err := talk(t, from, "a"); err != nil || got != "abye" {
		t.Errorf("the second tunnel: %q, %v", got, err)
	}
	claimed := make(chan error, 1)
	go func() {
		c, _, err := claimAddress(t.Context(), folder, addr, "other")
		claimed <- errors.Join(err, c.Close())
	}()
	if err := stopTwo(); err != nil {
		t.Error(err)
	}
	if err := <-claimed; err != nil {
		t.Error(err)
	}
}

// Nobody can make the program listen anywhere but on the loopback.
func TestBadRequests(t *testing.T) {
	t.Parallel()
	for _, r := range []Request{
		{Address: "0.0.0.0:5000", Machine: "one"}, {Address: "10.0.0.1:5000", Machine: "one"},
		{Address: "[::]:5000", Machine: "one"}, {Address: "localhost:5000", Machine: "one"},
		{Address: "127.0.0.1:0", Machine: "one"}, {Address: "127.0.0.1", Machine: "one"},
		{Address: "[::1%lo]:5000", Machine: "one"}, {Address: "127.0.0.1:5000"}, {Machine: "one"},
		{Address: "127.0.0.1:5000", Machine: strings.Repeat("x", machineLimit+1)},
	} {
		if addr, err := parseRequest(r); err == nil {
			t.Errorf("%+v: %s", r, addr)
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
		if got, ok := TargetOf(host); got.Address != want || ok != (want != "") {
			t.Errorf("%q: %+v, %t", host, got, ok)
		}
	}
}

func TestMachine(t *testing.T) {
	t.Parallel()
	one, err := Machine(t.Context())
	other, otherErr := Machine(t.Context())
	if one == "" || one != other || errors.Join(err, otherErr) != nil || len(one) != 64 {
		t.Errorf("got %q, %q, %v, %v", one, other, err, otherErr)
	}
}
