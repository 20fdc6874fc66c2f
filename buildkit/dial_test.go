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
		"tcp://host":               "has a port: tcp://host:1234",
		"docker-container://build": "the scheme docker-container:// is not known",
	}
	for endpoint, want := range cases {
		err := CheckEndpoint(endpoint)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: got %v, want %q", endpoint, err, want)
		}
	}
}

func TestDialSaysWhatToDoWhenNothingAnswers(t *testing.T) {
	t.Parallel()
	endpoint := "unix://" + filepath.Join(t.TempDir(), "b.sock")
	_, err := Dial(t.Context(), endpoint)
	if err == nil || !strings.Contains(err.Error(), "no BuildKit daemon answers at "+endpoint) || !strings.Contains(err.Error(), "buildkitd --addr "+endpoint) {
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
	if _, err := Dial(ctx, "unix://"+path); !errors.Is(err, why) {
		t.Errorf("got %v", err)
	}
}
