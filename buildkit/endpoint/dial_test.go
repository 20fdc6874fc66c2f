package endpoint_test

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/moby/buildkit/client"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/endpoint"
)

func TestDialSaysWhenNothingAnswers(t *testing.T) {
	t.Parallel()
	address := "unix://" + filepath.Join(t.TempDir(), "b.sock")
	_, err := dial(t.Context(), t, address, endpoint.Options{})
	if err == nil || !strings.Contains(err.Error(), "no BuildKit daemon answers at "+address) ||
		!errors.As(err, new(*endpoint.NoDaemonError)) {
		t.Errorf("got %v", err)
	}
}

// Something that takes the connection and says nothing, as a stopped daemon does, is not waited for without end.
func TestDialEndsWithItsContext(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "b.sock")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	why := errors.New("the user went away")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 200*time.Millisecond, why)
	defer cancel()
	if _, err := dial(ctx, t, "unix://"+path, endpoint.Options{}); !errors.Is(err, why) {
		t.Errorf("got %v", err)
	}
}

// Without TLS only this machine is dialed, whatever name it has, and nothing is sent to another.
func TestDialWithoutTLS(t *testing.T) {
	t.Parallel()
	elsewhere := []string{"tcp://192.0.2.1:1", "tcp://[2001:db8::1]:1", "tcp://169.254.1.1:1",
		"tcp://[::ffff:192.0.2.1]:1"}
	for _, address := range elsewhere {
		if _, err := dial(t.Context(), t, address, endpoint.Options{}); !isInsecureTCP(err) {
			t.Errorf("%s: %v", address, err)
		}
		if err := parse(t, address).CheckLocal(); !isInsecureTCP(err) {
			t.Errorf("%s is not refused before it is dialed: %v", address, err)
		}
	}
	for _, address := range hereAddresses(t) {
		if _, err := dial(t.Context(), t, address, endpoint.Options{}); err == nil || isInsecureTCP(err) {
			t.Errorf("%s: %v", address, err)
		}
		if err := parse(t, address).CheckLocal(); err != nil {
			t.Errorf("%s: %v", address, err)
		}
	}
	ctx, stop := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer stop()
	_, err := dial(ctx, t, "tcp://192.0.2.1:1", endpoint.Options{AllowInsecure: true})
	if err == nil || isInsecureTCP(err) {
		t.Errorf("it is allowed: %v", err)
	}
}

// hereAddresses returns the forms in which people write this machine. Nothing listens on port 1.
func hereAddresses(t *testing.T) []string {
	t.Helper()
	here := []string{
		"tcp://127.0.0.1:1", "tcp://localhost:1", "tcp://[::1]:1", "tcp://0.0.0.0:1", "tcp://[::]:1", "tcp://:1",
		"unix:///nowhere",
	}
	own, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, addr := range own {
		if ip := addr.(*net.IPNet).IP; !ip.IsLinkLocalUnicast() {
			here = append(here, "tcp://"+net.JoinHostPort(ip.String(), "1"))
		}
	}
	return here
}

func isInsecureTCP(err error) bool {
	_, ok := errors.AsType[*endpoint.InsecureTCPError](err)
	return ok
}

func parse(t *testing.T, address string) endpoint.Endpoint {
	t.Helper()
	e, err := endpoint.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func dial(ctx context.Context, t *testing.T, address string, o endpoint.Options) (*client.Client, error) {
	t.Helper()
	return parse(t, address).Dial(ctx, o)
}
