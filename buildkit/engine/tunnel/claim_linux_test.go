package tunnel

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// What listens in the network of the engine is left alone.
func TestOccupiedAddress(t *testing.T) {
	t.Parallel()
	from := serveEcho(t, "127.0.0.2:0")
	state, stop := open(t, t.TempDir(), "one", at(from), Target{})
	if state != Occupied {
		t.Errorf("got %s", state)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// A listener that ends meanwhile, as that of a tunnel that was killed, does not keep others from the address.
func TestAddressThatWasOccupied(t *testing.T) {
	t.Parallel()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_ = errors.Join(conn.Close(), listener.Close())
		}
	}()
	state, stop := open(t, t.TempDir(), "one", at(listener.Addr().String()), Target{})
	if state != Listening {
		t.Errorf("got %s", state)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// A port that somebody has and does not listen at is told from one that leads somewhere.
func TestBoundAddress(t *testing.T) {
	t.Parallel()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 2}})
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(fd) }()
	name, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	from := fmt.Sprintf("127.0.0.2:%d", name.(*unix.SockaddrInet4).Port)
	state, stop := open(t, t.TempDir(), "one", at(from), Target{})
	if state != Bound {
		t.Errorf("got %s", state)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// localhost may mean each of its addresses, so none of them is left to others. One that does not exist is left out.
func TestTunnelFromSeveralAddresses(t *testing.T) {
	t.Parallel()
	folder, first := t.TempDir(), freeAddress(t)
	port := first[strings.LastIndex(first, ":"):]
	second, missing := "127.0.0.3"+port, "[::1]"+port
	target := Target{[]string{serveEcho(t, "127.0.0.1:0")}}
	state, stop := open(t, folder, "one", at(first, second, missing), target)
	if state != Listening {
		t.Fatalf("got %s", state)
	}
	for _, address := range []string{first, second} {
		if got, err := talk(t, address, "a"); err != nil || got != "abye" {
			t.Errorf("%s: %q, %v", address, got, err)
		}
	}
	if other, stopOther := open(t, folder, "other", at(second), target); other != Claimed {
		t.Errorf("a part is left to another machine: %s", other)
	} else if err := stopOther(); err != nil {
		t.Error(err)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	serveEcho(t, second)
	if state, stop = open(t, folder, "one", at(first, second), target); state != Occupied {
		t.Errorf("something else listens at one of the addresses: %s", state)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// An address at which nothing listens on the machine of the plugin leads nowhere, and to no other machine.
func TestReservedAddress(t *testing.T) {
	t.Parallel()
	folder, from := t.TempDir(), freeAddress(t)
	target := Target{[]string{serveEcho(t, "127.0.0.1:0")}}
	reserve := at(from)
	reserve.Reserve = true
	state, stop := open(t, folder, "one", reserve, target)
	if state != Reserved {
		t.Fatalf("got %s", state)
	}
	if _, err := talk(t, from, "a"); !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("got %v", err)
	}
	if other, stopOther := open(t, folder, "other", at(from), target); other != Claimed {
		t.Errorf("another machine: %s", other)
	} else if err := stopOther(); err != nil {
		t.Error(err)
	}
	again, stopAgain := open(t, folder, "one", at(from), target) // the registry has started
	if again != Listening {
		t.Errorf("the same machine: %s", again)
	}
	if err := errors.Join(stop(), stopAgain()); err != nil {
		t.Error(err)
	}
}

// Where the loopback is that of the plugin, no tunnel is needed.
func TestSameLoopback(t *testing.T) {
	t.Parallel()
	p, err := NewProver(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	request := at(freeAddress(t))
	request.Proof = p.Proof()
	state, stop := open(t, t.TempDir(), "one", request, Target{})
	if state != Same {
		t.Errorf("got %s", state)
	}
	if err := errors.Join(stop(), p.Close()); err != nil {
		t.Error(err)
	}
}

// A proof holds if somebody answers its question with its answer, and as long as he does.
func TestHoldsHere(t *testing.T) {
	t.Parallel()
	p, err := NewProver(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	other := p.Proof()
	other.Answer = rand.Text()
	wrong := p.Proof()
	wrong.Question = rand.Text()
	empty := p.Proof()
	empty.Answer = ""
	ended := newProof("one")
	if HoldsHere(t.Context(), []Proof{other, wrong, empty, ended}) {
		t.Error("a proof of another machine holds")
	}
	if !HoldsHere(t.Context(), []Proof{p.Proof(), other, ended}) {
		t.Error("the proof does not hold")
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if HoldsHere(t.Context(), []Proof{p.Proof()}) {
		t.Error("the proof holds after its end")
	}
}

// Tunnels to one machine share an address, also when the first ends. A tunnel to another machine waits for their end.
func TestClaims(t *testing.T) {
	t.Parallel()
	folder, from := t.TempDir(), freeAddress(t)
	target := Target{[]string{serveEcho(t, "127.0.0.1:0")}}
	one, stopOne := open(t, folder, "one", at(from), target)
	two, stopTwo := open(t, folder, "one", at(from), target)
	if one != Listening || two != Listening {
		t.Fatalf("got %s, %s", one, two)
	}
	other, stopOther := open(t, folder, "other", at(from), target)
	if other != Claimed {
		t.Errorf("a tunnel to another machine is open: %s", other)
	}
	if err := stopOther(); err != nil {
		t.Error(err)
	}
	if err := stopOne(); err != nil {
		t.Error(err)
	}
	if got, err := talk(t, from, "a"); err != nil || got != "abye" {
		t.Errorf("the second tunnel: %q, %v", got, err)
	}
	third, stopThird := open(t, folder, "one", at(from), target)
	if third != Listening {
		t.Errorf("after the end of the first: %s", third)
	}
	claimed := make(chan error, 1)
	go func() {
		ask := func(holders []Proof) (Verdict, error) { return newVerdict("other", holders, false), nil }
		c, err := claimAddress(t.Context(), folder, netip.MustParseAddrPort(from), newProof("other"), ask)
		if err == nil {
			err = c.Close()
		}
		claimed <- err
	}()
	if err := stopThird(); err != nil {
		t.Error(err)
	}
	if err := stopTwo(); err != nil {
		t.Error(err)
	}
	if err := <-claimed; err != nil {
		t.Error(err)
	}
}
