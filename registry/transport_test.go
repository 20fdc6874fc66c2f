package registry_test

import (
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// quiet drops what a test server logs.
var quiet = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)

// network stands for all hosts behind a client. It records the URLs of the requests.
type network struct {
	answer func(*http.Request) (*http.Response, error)

	mu   sync.Mutex
	urls []string
}

func (n *network) RoundTrip(req *http.Request) (*http.Response, error) {
	n.mu.Lock()
	n.urls = append(n.urls, req.URL.Scheme+"://"+req.URL.Host)
	n.mu.Unlock()
	return n.answer(req)
}

// requestedURLs returns the URLs of the requests so far.
func (n *network) requestedURLs() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Compact(slices.Clone(n.urls))
}

// TestPlainHTTPForLoopbackOnly holds that no password goes over plain http to hosts other than loopback.
// go-containerregistry alone would send it to the second and third.
func TestPlainHTTPForLoopbackOnly(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"registry.example.com", "10.1.2.3:5000", "registry.localhost:5000", "192.168.1.1",
		"8.8.8.8"} {
		t.Run(host, func(t *testing.T) {
			t.Parallel()
			nobody := &network{answer: func(*http.Request) (*http.Response, error) {
				return nil,
					errors.New("nobody there")
			}}
			client := registry.New(registry.NewKeychain(nil), registry.Options{Transport: nobody})
			_, err := client.Resolve(t.Context(), parseTag(t, host+"/app:1"))
			expectError(t, err, fault.ErrUnreachable,
				"resolving "+host+"/app:1: unreachable: nobody there")
			if want := []string{"https://" + host}; !slices.Equal(nobody.requestedURLs(), want) {
				t.Errorf("asked %v, want %v", nobody.requestedURLs(), want)
			}
		})
	}
}

func TestPlainHTTPForLoopback(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"localhost", "localhost:5000", "127.0.0.1:5000", "127.0.0.2", "[::1]:5000", "[::1]"} {
		t.Run(host, func(t *testing.T) {
			t.Parallel()
			nobody := &network{answer: func(*http.Request) (*http.Response, error) {
				return nil,
					errors.New("nobody there")
			}}
			client := registry.New(registry.NewKeychain(nil), registry.Options{Transport: nobody})
			_, err := client.Resolve(t.Context(), parseTag(t, host+"/app:1"))
			if !errors.Is(err, fault.ErrUnreachable) || !slices.Contains(nobody.requestedURLs(), "http://"+host) {
				t.Errorf("asked %v, %v", nobody.requestedURLs(), err)
			}
		})
	}
}

// redirect returns an answer for network: it answers the ping, and sends all other requests to location.
func redirect(location string) func(*http.Request) (*http.Response, error) {
	return func(req *http.Request) (*http.Response, error) {
		resp := &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody, Request: req}
		if strings.Contains(req.URL.Path, "/manifests/") {
			resp.StatusCode = http.StatusTemporaryRedirect
			resp.Header.Set("Location", location)
		}
		return resp, nil
	}
}

func TestRedirects(t *testing.T) {
	t.Parallel()
	const (
		host = "registry.example.com"
		here = "this machine itself: refused"
		link = "an address of this machine's link or cloud: refused"
	)
	tests := map[string]string{
		"http://storage.example.com/x?signature=" +
			canary: "plain http to storage.example.com refused: it is used for loopback hosts only",
		"https://127.0.0.1/x":          host + " sends us to 127.0.0.1, which is " + here,
		"http://localhost:6443/x":      host + " sends us to localhost:6443, which is " + here,
		"https://[::ffff:127.0.0.1]/x": host + " sends us to [::ffff:127.0.0.1], which is " + here,
		"https://0.0.0.0:10250/x":      host + " sends us to 0.0.0.0:10250, which is " + here,
		"https://169.254.169.254/x":    host + " sends us to 169.254.169.254, which is " + link,
		"https://[fd00:ec2::254]/x":    host + " sends us to [fd00:ec2::254], which is " + link,
		"https://168.63.129.16/x":      host + " sends us to 168.63.129.16, which is " + link,
		"https://[64:ff9b::169.254.169.254]/x": host +
			" sends us to [64:ff9b::169.254.169.254], which is " + link,
		"https://[::1]:5000/x":           host + " sends us to [::1]:5000, which is " + here,
		"file:///etc/passwd":             host + ` sends us to a "file" URL: refused`,
		"gopher://storage.example.com/x": host + ` sends us to a "gopher" URL: refused`,
		"https://u:p@storage.example.com/x": host +
			" sends us to storage.example.com with a login of its own: refused",
		"/v2/app/manifests/elsewhere": "more than 5 redirects",
	}
	for location, want := range tests {
		t.Run(location, func(t *testing.T) {
			t.Parallel()
			hostile := &network{answer: redirect(location)} //nolint:bodyclose // its body is http.NoBody
			client := registry.New(registry.NewKeychain(nil), registry.Options{Transport: hostile})
			_, err := client.Resolve(t.Context(), parseTag(t, host+"/app:1"))
			expectError(t, err, fault.ErrUnreachable, "resolving "+host+"/app:1: unreachable: "+want)
			if asked := hostile.requestedURLs(); !slices.Equal(asked, []string{"https://" + host}) {
				t.Errorf("asked %v", asked)
			}
		})
	}
}
