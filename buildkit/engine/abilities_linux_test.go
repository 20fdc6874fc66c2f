package engine_test

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

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/engine"
)

// proxyEngine returns the address of a proxy in front of the tests' engine. What the engine says about itself passes
// through change.
func proxyEngine(t *testing.T, change func(*http.Response) error) engine.Address {
	t.Helper()
	containerd.Host(t)
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: "engine"})
	proxy.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", containerd.Socket())
	}}
	proxy.ModifyResponse = func(r *http.Response) error {
		if strings.HasSuffix(r.Request.URL.Path, "/info") {
			return change(r)
		}
		return nil
	}
	server := httptest.NewServer(proxy)
	t.Cleanup(server.Close)
	return engine.AtHost("tcp://" + server.Listener.Addr().String())
}

// replaceBody gives a response another body.
func replaceBody(r *http.Response, body []byte) {
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	r.Header.Del("Content-Length")
}

func TestAbilitiesOfARootlessEngine(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*http.Response) error
		want   bool
	}{
		"rootful": {change: func(*http.Response) error { return nil }},
		"rootless": {want: true, change: func(r *http.Response) error {
			about := map[string]any{}
			if err := json.NewDecoder(r.Body).Decode(&about); err != nil {
				return err
			}
			about["SecurityOptions"] = []string{"name=seccomp,profile=builtin", "name=rootless", "name=cgroupns"}
			body, err := json.Marshal(about)
			replaceBody(r, body)
			return err
		}},
		"behind a proxy that forbids the question": {change: func(r *http.Response) error {
			r.StatusCode = http.StatusForbidden
			replaceBody(r, []byte("forbidden"))
			return nil
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, err := engine.Dial(t.Context(), proxyEngine(t, c.change))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = e.Close() }()
			found, err := e.Abilities(t.Context())
			if err != nil || found.Rootless != c.want || !found.Stores {
				t.Errorf("got %+v, %v", found, err)
			}
		})
	}
}
