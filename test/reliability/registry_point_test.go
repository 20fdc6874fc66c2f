//go:build linux

package reliability

import (
	"context"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// requestLine describes one request to the registry.
type requestLine struct {
	method, path string
	hasBody      bool
	daemons      bool // the daemon sent it, not the plugin
	answered     bool // the registry's answer reached the client
	time         time.Time
}

func (l requestLine) String() string {
	by := "plugin"
	if l.daemons {
		by = "daemon"
	}
	return l.method + " " + l.path + " of the " + by
}

// registryPoint is a reverse proxy between everything and the real registry. It counts the requests, and makes a fault
// happen to the i-th.
type registryPoint struct {
	Host    string // where clients find the registry
	backend string // the real one
	server  *http.Server
	proxy   *httputil.ReverseProxy

	active atomic.Int32 // requests under way

	mu    sync.Mutex
	lines []*requestLine
	at    int // from 1; 0: no request fails
	fault string
	hit   *requestLine // what the fault met
	kill  func(fault string)
}

// newRegistryPoint serves on loopback and forwards to backend, a host:port.
func newRegistryPoint(backend string) (*registryPoint, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &registryPoint{Host: listener.Addr().String(), backend: backend}
	p.proxy = &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: backend})
			r.Out.Host = r.In.Host // upload locations lead back here
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { reset(w) },
	}
	p.server = &http.Server{Handler: http.HandlerFunc(p.handle)}
	go func() { _ = p.server.Serve(listener) }()
	return p, nil
}

// Close ends all connections.
func (p *registryPoint) Close() error { return p.server.Close() }

// Arm makes the fault happen to the i-th request from now on.
func (p *registryPoint) Arm(i int, fault string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lines, p.at, p.fault, p.hit = nil, i, fault, nil
}

// Reset removes the fault and starts to count again.
func (p *registryPoint) Reset() { p.Arm(0, "") }

// Count returns the number of requests since Arm or Reset.
func (p *registryPoint) Count() int { return len(p.requests()) }

// Events describes the requests since Arm or Reset.
func (p *registryPoint) Events() []string {
	var events []string
	for _, line := range p.requests() {
		events = append(events, line.String())
	}
	return events
}

// requests returns the requests since Arm or Reset.
func (p *registryPoint) requests() []requestLine {
	p.mu.Lock()
	defer p.mu.Unlock()
	lines := make([]requestLine, 0, len(p.lines))
	for _, line := range p.lines {
		lines = append(lines, *line)
	}
	return lines
}

// Hit describes the request that the fault met. It returns "" if the fault met none.
func (p *registryPoint) Hit() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.hit == nil {
		return ""
	}
	return p.hit.String()
}

// awaitIdle waits until no request was under way for as long as calm, such as one of a push that the daemon still
// cancels.
func (p *registryPoint) awaitIdle(ctx context.Context, calm time.Duration) error {
	var since time.Time
	count := -1
	return stack.WaitUntil(ctx, 20*time.Second, func() bool {
		if n := p.Count(); p.active.Load() > 0 || n != count {
			since, count = time.Now(), n
		}
		return p.active.Load() == 0 && time.Since(since) >= calm
	})
}

func (p *registryPoint) handle(w http.ResponseWriter, r *http.Request) {
	line := &requestLine{
		method: r.Method, path: shortPath(r.URL), hasBody: r.ContentLength != 0,
		daemons: !strings.HasPrefix(r.UserAgent(), "pulumi-buildkit"), time: time.Now(),
	}
	p.active.Add(1)
	defer p.active.Add(-1)
	p.mu.Lock()
	p.lines = append(p.lines, line)
	met := len(p.lines) == p.at
	if met {
		p.hit = line
	}
	fault := p.fault
	p.mu.Unlock()
	if met {
		p.inject(w, r, fault)
		return
	}
	p.forward(w, r)
	p.mu.Lock()
	defer p.mu.Unlock()
	line.answered = r.Context().Err() == nil
}

// forward sends the request to the real registry and passes the answer on.
func (p *registryPoint) forward(w http.ResponseWriter, r *http.Request) {
	defer func() {
		switch cause := recover(); cause {
		case nil:
		case http.ErrAbortHandler:
			reset(w)
		default:
			panic(cause)
		}
	}()
	p.proxy.ServeHTTP(w, r)
}

// shortPath returns a path and the query that matters, with short digests.
func shortPath(u *url.URL) string {
	path := u.Path
	for _, key := range []string{"mount", "from", "digest"} {
		if value := u.Query().Get(key); value != "" {
			path += " " + key + "=" + value
		}
	}
	words := strings.FieldsFunc(path, func(r rune) bool { return r == '/' || r == '=' || r == ' ' })
	for _, word := range words {
		if d, err := digest.Parse(word); err == nil {
			path = strings.ReplaceAll(path, word, "sha256:"+d.Encoded()[:8]+"…")
		}
	}
	if i := strings.Index(path, "/blobs/uploads/"); i >= 0 {
		rest := path[i+len("/blobs/uploads/"):]
		_, query, _ := strings.Cut(rest, " ")
		path = strings.TrimSpace(path[:i] + "/blobs/uploads/… " + query)
	}
	return path
}
