package buildkit

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestCheckEndpoint(t *testing.T) {
	t.Parallel()
	cases := map[string]string{
		"unix:///run/b.sock":       "",
		"tcp://host:1234":          "",
		"tcp://[::1]:1234":         "",
		"":                         "is not an endpoint",
		"/run/b.sock":              "is not an endpoint",
		"unix://":                  "is not an endpoint",
		"unix://run/b.sock":        "has an absolute path",
		"tcp://host":               "has a port",
		"docker-container://build": "the scheme docker-container:// is not known",
	}
	for endpoint, want := range cases {
		err := CheckEndpoint(endpoint)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: got %v, want %q", endpoint, err, want)
		}
	}
}

func TestDialSaysWhenNothingAnswers(t *testing.T) {
	t.Parallel()
	endpoint := "unix://" + filepath.Join(t.TempDir(), "b.sock")
	_, err := Dial(t.Context(), endpoint)
	if err == nil || !strings.Contains(err.Error(), "no BuildKit daemon answers at "+endpoint) ||
		!errors.As(err, new(*NoDaemonError)) {
		t.Errorf("got %v", err)
	}
}

// Dial does not wait forever for a server that takes the connection and does not answer, as a stopped daemon does.
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
	if _, err := Dial(ctx, "unix://"+path); !errors.Is(err, why) {
		t.Errorf("got %v", err)
	}
}

// Without TLS, Dial connects to this machine only, by any of its names. It sends nothing to another machine.
func TestDialWithoutTLS(t *testing.T) {
	t.Parallel()
	for _, endpoint := range []string{
		"tcp://192.0.2.1:1", "tcp://[2001:db8::1]:1", "tcp://169.254.1.1:1", "tcp://[::ffff:192.0.2.1]:1",
	} {
		if _, err := Dial(t.Context(), endpoint); !isInsecureTCP(err) {
			t.Errorf("%s: %v", endpoint, err)
		}
		if err := CheckLocal(endpoint); !isInsecureTCP(err) {
			t.Errorf("%s is not judged before it is dialed: %v", endpoint, err)
		}
	}
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
	for _, endpoint := range here {
		if _, err := Dial(t.Context(), endpoint); err == nil || isInsecureTCP(err) || CheckLocal(endpoint) != nil {
			t.Errorf("%s: %v, %v", endpoint, err, CheckLocal(endpoint))
		}
	}
	ctx, stop := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer stop()
	if _, err := DialInsecure(ctx, "tcp://192.0.2.1:1"); err == nil || isInsecureTCP(err) {
		t.Errorf("it is allowed: %v", err)
	}
	if err := CheckEndpoint("tcp://me:t0ken@127.0.0.1:1"); err == nil || strings.Contains(err.Error(), "t0ken") {
		t.Errorf("got %v", err)
	}
}

func isInsecureTCP(err error) bool {
	_, ok := errors.AsType[*InsecureTCPError](err)
	return ok
}
