//go:build linux

package network

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// fakeDevices notes what a relay was handed.
type fakeDevices struct{ calls []string }

func (d *fakeDevices) Attach(id string, device *os.File) error {
	defer device.Close()
	text, _ := io.ReadAll(device)
	d.calls = append(d.calls, "attach "+id+" "+string(text))
	if id == "broken" {
		return errors.New("no stack for it")
	}
	return nil
}

func (d *fakeDevices) Detach(id string) { d.calls = append(d.calls, "detach "+id) }

// relaySocket answers as many requests as there are, and returns the path of its socket.
func relaySocket(t *testing.T, devices Devices) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	listener, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.AcceptUnix()
			if err != nil {
				return
			}
			_ = Handle(conn, devices)
			_ = conn.Close()
		}
	}()
	return path
}

func TestHandoff(t *testing.T) {
	t.Parallel()
	devices := &fakeDevices{}
	socket := relaySocket(t, devices)
	attach := func(id string) error {
		device, feed, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer device.Close()
		_, _ = feed.WriteString("packets")
		_ = feed.Close()
		return Attach(socket, id, device)
	}
	if err := errors.Join(attach("one"), Detach(socket, "one"), Detach(socket, "unknown")); err != nil {
		t.Error(err)
	}
	if err := attach("broken"); err == nil || !strings.Contains(err.Error(), "no stack for it") {
		t.Errorf("the error of the relay: %v", err)
	}
	want := "attach one packets, detach one, detach unknown, attach broken packets"
	if got := strings.Join(devices.calls, ", "); got != want {
		t.Errorf("%s; want %s", got, want)
	}
}

func TestHandoffOfSomethingElse(t *testing.T) {
	t.Parallel()
	devices := &fakeDevices{}
	socket := relaySocket(t, devices)
	file, err := os.Open("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	one, two := unix.UnixRights(int(file.Fd())), unix.UnixRights(int(file.Fd()), int(file.Fd()))
	for name, c := range map[string]struct {
		message string
		rights  []byte
	}{
		"attach without a device":  {message: "attach one"},
		"attach with two":          {message: "attach one", rights: two},
		"detach with a device":     {message: "detach one", rights: one},
		"another word":             {message: "GET / HTTP/1.1"},
		"more than a message":      {message: strings.Repeat("x", 4*messageLimit)},
		"something with a device ": {message: "x", rights: one},
	} {
		if err := request(socket, c.message, c.rights); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	if devices.calls != nil {
		t.Errorf("the relay was called: %v", devices.calls)
	}
	if err := Detach(filepath.Join(t.TempDir(), "nobody"), "one"); !errors.As(err, new(*net.OpError)) {
		t.Errorf("without a relay: %v", err)
	}
}
