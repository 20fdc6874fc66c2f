//go:build linux

package enginetest

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"github.com/moby/moby/client"
)

// Proxy says what a proxy in front of an engine does to requests.
type Proxy struct {
	// Block is asked about each request. If it returns true, no answer ever comes.
	Block func(*http.Request) bool
	// Hide is asked about each request. If it returns true, the answer is 404.
	Hide func(*http.Request) bool
	// Info changes what the engine says about itself; nil: nothing.
	Info func(*http.Response) error
}

// Serve puts the proxy in front of the engine until the end of the test, and returns its address.
func (p Proxy) Serve(t testing.TB, e *Engine) string {
	t.Helper()
	e.Host(t)
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: "engine"})
	proxy.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", e.Socket())
	}}
	proxy.ModifyResponse = func(r *http.Response) error {
		if p.Info != nil && strings.HasSuffix(r.Request.URL.Path, "/info") {
			return p.Info(r)
		}
		return nil
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p.Block != nil && p.Block(r) {
			_, _ = io.Copy(io.Discard, r.Body) // only then the server notices that the client has gone
			select {
			case <-r.Context().Done():
			case <-t.Context().Done():
			}
			return
		}
		if p.Hide != nil && p.Hide(r) {
			http.NotFound(w, r)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	return "tcp://" + server.Listener.Addr().String()
}

// ReplaceBody gives a response another body.
func ReplaceBody(r *http.Response, body []byte) {
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	r.Header.Del("Content-Length")
}

// BeRootless makes an engine say that it runs in a user namespace. It is an Info of Proxy.
func BeRootless(r *http.Response) error {
	about := map[string]any{}
	if err := json.NewDecoder(r.Body).Decode(&about); err != nil {
		return err
	}
	about["SecurityOptions"] = []string{"name=seccomp,profile=builtin", "name=rootless", "name=cgroupns"}
	body, err := json.Marshal(about)
	ReplaceBody(r, body)
	return err
}

// MakeVolumeReadOnly makes a volume to which no container can write. The engine must not have it yet.
func (e *Engine) MakeVolumeReadOnly(t testing.TB, name string) {
	t.Helper()
	c, err := client.New(client.WithHost(e.Host(t)))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_, err = c.VolumeCreate(t.Context(), client.VolumeCreateOptions{
		Name: name, Driver: "local", DriverOpts: map[string]string{"type": "tmpfs", "device": "tmpfs", "o": "ro"},
	})
	if err != nil {
		t.Fatal(err)
	}
}
