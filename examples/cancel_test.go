//go:build linux

package examples

import (
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/examples/stack"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// Wherever an update is, Ctrl-C ends it within 5 s, moves no tag and leaves no state of an image that is not there.
// A step of the Dockerfile has its own test.
func TestCtrlCEndsEveryPhase(t *testing.T) {
	t.Parallel()
	phases := map[string]func(t *testing.T) *phase{
		"hashing":   hashing,
		"dialing":   dialing,
		"sending":   sending,
		"pushing":   atRequest(func(r *http.Request) bool { return strings.Contains(r.URL.Path, "/blobs/uploads/") }),
		"verifying": atRequest(func(r *http.Request) bool { return r.Method == http.MethodGet && digestPath(r) }),
		"tagging": atRequest(func(r *http.Request) bool {
			return r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, "/manifests/1")
		}),
	}
	for name, prepare := range phases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at := prepare(t)
			s := open(t, project(t, at.properties, map[string]string{"Dockerfile": "FROM scratch\nCOPY . /\n"}))
			if at.files != nil {
				at.files(t, s.Dir)
			}
			p := s.StartUp("--skip-preview")
			if err := stack.Until(t.Context(), 30*time.Second, func() bool { return at.reached(s) }); err != nil {
				t.Fatalf("%v: the update never came to %s", err, name)
			}
			defer time.AfterFunc(20*time.Second, func() { _ = p.Kill() }).Stop() // a failure is soon enough then
			pressed := time.Now()
			if err := p.Interrupt(); err != nil {
				t.Fatal(err)
			}
			result, err := p.Wait()
			if took := time.Since(pressed); err != nil || result.Code <= 0 || took > 5*time.Second {
				t.Errorf("back after %s with exit code %d, %v, want 5 s at most and a failure:\n%s", took, result.Code, err, result.All())
			}
			if left := s.Export(); len(left) != 0 {
				t.Errorf("state: %+v", left)
			}
			if at.registry != nil && slices.ContainsFunc(at.registry.Requests(), func(r registrytest.Request) bool {
				return r.Method == http.MethodPut && strings.HasSuffix(r.Path, "/manifests/1") && r.Status < 300
			}) {
				t.Error("the tag was moved")
			}
		})
	}
}

// phase is a place where an update waits until it is interrupted.
type phase struct {
	properties string
	files      func(t *testing.T, dir string)
	reached    func(s *stack.Test) bool
	registry   *registrytest.Registry
}

// hashing is at a file that takes minutes to read: a sparse one, which takes no room.
func hashing(*testing.T) *phase {
	return &phase{
		properties: "context: { location: . }\ntags: [\"REPO:1\"]",
		files: func(t *testing.T, dir string) {
			file, err := os.Create(filepath.Join(dir, "sparse"))
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			if err := file.Truncate(400 << 30); err != nil {
				t.Fatal(err)
			}
		},
		reached: func(s *stack.Test) bool {
			return slices.ContainsFunc(s.Plugins(), func(p stack.Proc) bool { return p.Holds(filepath.Join(s.Dir, "sparse")) })
		},
	}
}

// dialing is at a daemon that takes the connection and says nothing.
func dialing(t *testing.T) *phase {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	taken := make(chan struct{})
	go func() {
		for once := sync.OnceFunc(func() { close(taken) }); ; once() {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = conn.Close() })
		}
	}()
	return &phase{
		properties: "context: { location: . }\ntags: [\"REPO:1\"]\nbuilder: { endpoint: \"tcp://" + listener.Addr().String() + "\" }",
		reached:    closed(taken),
	}
}

// sending is at a daemon to which no more than a megabyte gets through.
func sending(t *testing.T) *phase {
	_, endpoint := buildkitd(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	stalled := make(chan struct{})
	stall := sync.OnceFunc(func() { close(stalled) })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go relay(conn, strings.TrimPrefix(endpoint, "tcp://"), stall)
		}
	}()
	return &phase{
		properties: "context: { location: . }\ntags: [\"REPO:1\"]\nbuilder: { endpoint: \"tcp://" + listener.Addr().String() + "\" }",
		files: func(t *testing.T, dir string) {
			if err := os.WriteFile(filepath.Join(dir, "big"), make([]byte, 8<<20), 0o600); err != nil {
				t.Fatal(err)
			}
		},
		reached: closed(stalled),
	}
}

// relay passes everything back and a megabyte on. Then it stalls, until one end closes.
func relay(from net.Conn, address string, stall func()) {
	defer from.Close()
	to, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	defer to.Close()
	go func() {
		if n, _ := io.CopyN(to, from, 1<<20); n == 1<<20 {
			stall()
		}
	}()
	_, _ = io.Copy(from, to)
}

// atRequest is at the first request of a kind that a registry never answers.
func atRequest(kind func(*http.Request) bool) func(t *testing.T) *phase {
	return func(t *testing.T) *phase {
		registry := registrytest.New(t)
		asked := make(chan struct{})
		once := sync.OnceFunc(func() { close(asked) })
		registry.Wrap(func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if !kind(r) {
					next.ServeHTTP(w, r)
					return
				}
				once()
				<-r.Context().Done()
			})
		})
		return &phase{
			properties: "context: { location: . }\ntags: [\"" + registry.Host() + "/app:1\"]",
			reached:    closed(asked),
			registry:   registry,
		}
	}
}

func digestPath(r *http.Request) bool { return strings.Contains(r.URL.Path, "/manifests/sha256:") }

func closed(c <-chan struct{}) func(*stack.Test) bool {
	return func(*stack.Test) bool {
		select {
		case <-c:
			return true
		default:
			return false
		}
	}
}
