//go:build linux

package e2e

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// farAway is how long the registry of a test takes for each answer. Requests that do not wait for each other arrive
// well within it.
const farAway = 400 * time.Millisecond

// askedAgain is after what silence a daemon is asked for a sign of life.
const askedAgain = 15 * time.Second

// A first update, an unchanged one and a changed one ask the registry and the builder for everything once. What does
// not depend on each other is asked at once.
func TestRoundTrips(t *testing.T) {
	t.Parallel()
	trips := &roundTrips{began: time.Now()}
	registry := registrytest.New(t)
	registry.Wrap(trips.slowDown)
	builder := elsewhere.start(t).socket
	socket := startProxy(t, func(ctx context.Context) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, "unix", builder)
		return trips.watchCalls(conn), err
	})
	s := open(t, project(t, fmt.Sprintf(`
context: { location: . }
platforms: [linux/amd64, linux/arm64]
tags: ["%s/app:1"]
builder: { endpoint: "unix://%s" }
`, registry.Host(), socket), map[string]string{
		"Dockerfile": "FROM scratch\nARG TARGETARCH\nCOPY file /$TARGETARCH\n", ".dockerignore": "Pulumi*.yaml\n",
	}))
	up := func(text string) ([]roundTrip, []builderCall) {
		t.Helper()
		must(t, s.Write("file", text))
		succeeds(t, s.Up("--skip-preview"))
		return trips.take()
	}
	shortest := 0
	for _, text := range []string{" first", " changed"} {
		begun := time.Now()
		requests, calls := up(t.Name() + text)
		wantRequests(t, requests)
		if time.Since(begun) < askedAgain {
			wantCalls(t, calls)
		}
		if length := criticalPath(requests); shortest == 0 || length < shortest {
			shortest = length // a busy machine delays requests, and hardly ever in both updates
		}
	}
	if shortest > builderPath+pluginPath {
		t.Errorf("%d requests waited for each other, want %d", shortest, builderPath+pluginPath)
	}
	if requests, calls := up(t.Name() + " changed"); len(requests) > 0 || len(calls) > 0 {
		t.Errorf("an unchanged update asked %v and called %v", requests, calls)
	}
}

// pluginRequests are the requests of the plugin for an image with two platforms, by kind.
var pluginRequests = map[string]int{
	"GET base": 1, "HEAD tag": 1, // while the builder pushes
	"GET manifest": 3, "GET blob": 2, // the index, and then the manifest and the configuration of each platform
	"PUT tag": 1, "GET tag": 1,
}

// How many requests wait for each other at least. The builder looks for blobs, asks where to upload them and uploads
// them. Then it looks for three manifests and pushes them, one after the other.
const (
	builderPath = 9
	pluginPath  = 5 // the index, its manifests, their configurations, moving the tag, reading it back
)

func wantRequests(t *testing.T, requests []roundTrip) {
	t.Helper()
	seen, kinds := map[string]bool{}, map[string]int{}
	for _, r := range requests {
		if seen[r.what] && !strings.HasPrefix(r.what, "POST") { // where to upload another blob
			t.Errorf("asked twice: %s", r.what)
		}
		seen[r.what] = true
		if r.plugin {
			kinds[r.kind()]++
		}
	}
	if !maps.Equal(kinds, pluginRequests) {
		t.Errorf("the plugin asked %v, want %v", kinds, pluginRequests)
	}
}

// controlCalls are the calls to the builder for one build. The frontend and the session make further ones.
var controlCalls = map[string]int{
	"Control/Info": 1, "Control/ListWorkers": 1, "Control/Session": 1, "Control/Solve": 1, "Control/Status": 1,
}

func wantCalls(t *testing.T, calls []builderCall) {
	t.Helper()
	seen, control := map[builderCall]bool{}, map[string]int{}
	for _, c := range calls {
		if seen[c] {
			t.Errorf("called twice: %s with %q", c.method, c.message)
		}
		seen[c] = true
		if strings.HasPrefix(c.method, "Control/") {
			control[c.method]++
		}
	}
	if !maps.Equal(control, controlCalls) {
		t.Errorf("the plugin called %v, want %v", control, controlCalls)
	}
}

// criticalPath returns how many requests at most were made one after another.
func criticalPath(requests []roundTrip) (length int) {
	slices.SortFunc(requests, func(a, b roundTrip) int { return cmp.Compare(a.end, b.end) })
	var end time.Duration
	for _, r := range requests {
		if r.begin >= end {
			length, end = length+1, r.end
		}
	}
	return length
}

// roundTrip is a request to a registry.
type roundTrip struct {
	what       string // method and path
	plugin     bool   // the plugin made it, not the builder
	begin, end time.Duration
}

var longName = regexp.MustCompile(`^sha256:`)

// kind returns the method, and the kind of the path.
func (r roundTrip) kind() string {
	method, where, _ := strings.Cut(r.what, " ")
	kind := path.Base(path.Dir(where))
	switch {
	case kind == "blobs":
		return method + " blob"
	case kind == "manifests" && longName.MatchString(path.Base(where)):
		return method + " manifest"
	case kind == "manifests":
		return method + " tag"
	}
	return method + " base"
}

// builderCall is a gRPC call to a builder.
type builderCall struct {
	method  string // service and method
	message string // what was sent first
}

// roundTrips records requests to a registry and calls to a builder.
type roundTrips struct {
	began time.Time

	mu       sync.Mutex
	requests []roundTrip
	calls    []builderCall
}

// take returns what was recorded since the last time.
func (r *roundTrips) take() ([]roundTrip, []builderCall) {
	r.mu.Lock()
	defer r.mu.Unlock()
	requests, calls := r.requests, r.calls
	r.requests, r.calls = nil, nil
	return requests, calls
}

// slowDown records each request, and answers it later.
func (r *roundTrips) slowDown(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		trip := roundTrip{
			what: req.Method + " " + req.URL.Path, begin: time.Since(r.began),
			plugin: strings.Contains(req.UserAgent(), "pulumi-buildkit"),
		}
		select {
		case <-time.After(farAway):
		case <-req.Context().Done():
		}
		trip.end = time.Since(r.began)
		r.mu.Lock()
		r.requests = append(r.requests, trip)
		r.mu.Unlock()
		next.ServeHTTP(w, req)
	})
}

// watchCalls returns a connection that records the gRPC calls that are written to it.
func (r *roundTrips) watchCalls(conn net.Conn) net.Conn {
	reader, writer := io.Pipe()
	go func() {
		r.readCalls(reader)
		_, _ = io.Copy(io.Discard, reader)
	}()
	return &watchedConn{Conn: conn, watch: writer}
}

// readCalls records the calls of a connection until it ends, or until it is no HTTP/2.
func (r *roundTrips) readCalls(reader io.Reader) {
	if _, err := io.CopyN(io.Discard, reader, int64(len(http2.ClientPreface))); err != nil {
		return
	}
	framer := http2.NewFramer(io.Discard, reader)
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	begun := map[uint32]string{}
	for frame, err := framer.ReadFrame(); err == nil; frame, err = framer.ReadFrame() {
		switch frame := frame.(type) {
		case *http2.MetaHeadersFrame:
			service, method := path.Split(frame.PseudoValue("path"))
			service = service[strings.LastIndexByte(service, '.')+1:]
			begun[frame.StreamID] = service + method
		case *http2.DataFrame:
			if method, ok := begun[frame.StreamID]; ok {
				delete(begun, frame.StreamID)
				r.record(builderCall{method: method, message: string(frame.Data())})
			}
		}
	}
}

func (r *roundTrips) record(call builderCall) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls = append(r.calls, call)
}

// watchedConn is a connection whose written bytes are copied.
type watchedConn struct {
	net.Conn
	watch *io.PipeWriter
}

func (c *watchedConn) Write(p []byte) (int, error) {
	_, _ = c.watch.Write(p)
	return c.Conn.Write(p)
}

func (c *watchedConn) Close() error {
	_ = c.watch.Close()
	return c.Conn.Close()
}
