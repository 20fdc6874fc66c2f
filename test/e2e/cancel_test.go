//go:build linux

package e2e

import (
	"cmp"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// In each phase of an update, Ctrl-C ends it within 5 s. The error says what it waited for, no tag has moved, and the
// state has no image that does not exist. TestCtrlCEndsALongStep covers steps of the Dockerfile.
func TestCtrlCEndsEveryPhase(t *testing.T) {
	t.Parallel()
	phases := map[string]func(t *testing.T) *phase{
		"hashing": whileHashing,
		"dialing": whileDialing,
		"sending": whileSending,
		"pushing": atRequest("it was pushing layers to HOST/app for [^;]*; a part of the image may have been pushed, "+
			"and no tag moved",
			func(r *http.Request) bool { return strings.Contains(r.URL.Path, "/blobs/uploads/") }),
		"verifying": atRequest("it was verifying the image, waiting for HOST to answer GET "+
			"/v2/app/manifests/sha256:[0-9a-f]{12}… for "+
			"[^;]*; the image was pushed and no tag moved",
			func(r *http.Request) bool { return r.Method == http.MethodGet && isDigestRequest(r) }),
		"tagging": atRequest("it was moving tags, waiting for HOST to answer PUT /v2/app/manifests/1 for "+
			"[^;]*; the image was pushed and no tag moved", isTagRequest),
		"asking":  whileAsking,
		"pulling": whilePulling,
		"helper":  whileHelperHangs,
		"pausing": whilePausing,
	}
	for name, prepare := range phases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at := prepare(t)
			s := stack.New(t, stack.Config{
				Bin: shared.Bin, Daemon: shared.Daemon, Idle: 5 * time.Second, Env: at.env,
				Program: project(t, at.properties,
					map[string]string{"Dockerfile": cmp.Or(at.dockerfile, "FROM scratch\nCOPY . /\n")}),
			})
			if at.files != nil {
				at.files(t, s.Dir)
			}
			p := s.StartUp("--skip-preview")
			if err := stack.WaitUntil(t.Context(), 30*time.Second, func() bool { return at.reached(s) }); err != nil {
				t.Fatalf("%v: the update never came to %s", err, name)
			}
			defer time.AfterFunc(20*time.Second, func() { _ = p.Kill() }).Stop() // the test has failed by then
			pressed := time.Now()
			if err := p.Interrupt(); err != nil {
				t.Fatal(err)
			}
			result, err := p.Wait()
			if took := time.Since(pressed); err != nil || result.Code <= 0 || took > 5*time.Second {
				t.Errorf("back after %s with exit code %d, %v, want 5 s at most and a failure:\n%s", took, result.Code,
					err, result.All())
			}
			if !regexp.MustCompile(`error: canceled after [^:]*: ` +
				strings.ReplaceAll(at.want, "DIR", regexp.QuoteMeta(s.Dir))).MatchString(result.All()) {
				t.Errorf("the output lacks %q:\n%s", at.want, result.All())
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

// phase describes a point at which an update waits until it is interrupted.
type phase struct {
	properties string
	dockerfile string   // default: one that reads the context
	env        []string // for the CLI
	want       string   // a pattern; DIR is the folder of the program
	files      func(t *testing.T, dir string)
	reached    func(s *stack.Test) bool
	registry   *registrytest.Registry
}

// whileHashing waits at a file that takes minutes to read. The file is sparse, so it takes no space.
func whileHashing(*testing.T) *phase {
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
		want: "it was reading the build context DIR",
		reached: func(s *stack.Test) bool {
			return slices.ContainsFunc(s.Plugins(),
				func(p stack.Proc) bool { return p.HasOpen(filepath.Join(s.Dir, "sparse")) })
		},
	}
}

// whileDialing waits for a daemon that accepts the connection and says nothing.
func whileDialing(t *testing.T) *phase {
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
		properties: "context: { location: . }\ntags: [\"REPO:1\"]\nbuilder: { endpoint: \"tcp://" +
			listener.Addr().String() + "\" }",
		reached: isClosed(taken),
		want: "it was waiting for the BuildKit daemon at tcp://" + listener.Addr().String() + " to answer for [^;]*; " +
			"nothing was pushed and no tag moved",
	}
}

// whileSending waits for a daemon that receives no more than a megabyte.
func whileSending(t *testing.T) *phase {
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
		properties: "context: { location: . }\ntags: [\"REPO:1\"]\nbuilder: { endpoint: \"tcp://" +
			listener.Addr().String() + "\" }",
		files: func(t *testing.T, dir string) {
			if err := os.WriteFile(filepath.Join(dir, "big"), make([]byte, 8<<20), 0o600); err != nil {
				t.Fatal(err)
			}
		},
		reached: isClosed(stalled),
		want: `it was [^;]*sending DIR to the builder \([0-9.]+[kM]?i?B arrived\) for [^;]*; ` +
			"nothing was pushed and no tag moved",
	}
}

// relay passes everything back, and a megabyte forward. Then it stalls until one end closes.
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

// atRequest waits at the first request of a kind, which the registry never answers. HOST in want stands for the
// registry.
func atRequest(said string, kind func(*http.Request) bool) func(t *testing.T) *phase {
	return func(t *testing.T) *phase {
		registry := registrytest.New(t)
		return &phase{
			properties: "context: { location: . }\ntags: [\"" + registry.Host() + "/app:1\"]",
			reached:    isClosed(interceptRequests(registry, kind, neverAnswer)),
			registry:   registry,
			want:       strings.ReplaceAll(said, "HOST", regexp.QuoteMeta(registry.Host())),
		}
	}
}

// neverAnswer sends no answer and returns when the client is gone.
func neverAnswer(_ http.ResponseWriter, r *http.Request, _ http.Handler) { <-r.Context().Done() }

// interceptRequests applies a fault to requests of a kind. It returns a channel that the first of them closes.
func interceptRequests(registry *registrytest.Registry, kind func(*http.Request) bool,
	fault registrytest.Fault) <-chan struct{} {
	met := make(chan struct{})
	once := sync.OnceFunc(func() { close(met) })
	registry.Wrap(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !kind(r) {
				next.ServeHTTP(w, r)
				return
			}
			once()
			fault(w, r, next)
		})
	})
	return met
}

// isTagRequest reports whether the request moves the tag.
func isTagRequest(r *http.Request) bool {
	return r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, "/manifests/1")
}

// whileAsking waits for a registry that does not say what a base image is.
func whileAsking(t *testing.T) *phase {
	registry := registrytest.New(t)
	base := registry.Host() + "/base:1"
	return &phase{
		properties: "context: { location: . }\ntags: [\"REPO:1\"]",
		dockerfile: "FROM " + base + "\n",
		reached: isClosed(interceptRequests(registry,
			func(r *http.Request) bool { return strings.Contains(r.URL.Path, "/manifests/") }, registrytest.Stall)),
		want: "it was [^;]*asking " + registry.Host() + " for the base image " + base +
			" for [^;]*; nothing was pushed and no tag moved",
	}
}

// whilePulling waits for a registry that does not serve the layers of a base image.
func whilePulling(t *testing.T) *phase {
	registry := registrytest.New(t)
	registry.Push(t, "base:1", registrytest.Image(t, "linux/amd64"))
	base := registry.Host() + "/base:1"
	var seen atomic.Int32
	layer := func(r *http.Request) bool {
		// The first one is the configuration.
		return r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/blobs/") && seen.Add(1) > 1
	}
	return &phase{
		properties: "context: { location: . }\nplatforms: [linux/amd64]\ntags: [\"REPO:1\"]",
		dockerfile: "FROM " + base + "\nCOPY Dockerfile /\n",
		reached:    isClosed(interceptRequests(registry, layer, registrytest.Stall)),
		want: "it was [^;]*fetching base image " + base + "@sha256:[0-9a-f]{12}… from " + registry.Host() +
			".* for [^;]*; nothing was pushed and no tag moved",
	}
}

// whileHelperHangs waits for a credential helper that hangs. The daemon needs its answer before it pulls.
func whileHelperHangs(t *testing.T) *phase {
	registry := registrytest.New(t, registrytest.Login("user", "password"))
	folder := t.TempDir()
	asked := filepath.Join(folder, "asked")
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	write("docker-credential-hanging", "#!/bin/sh\ntouch "+asked+"\nexec sleep 60\n")
	write("config.json", `{"credHelpers": {"`+registry.Host()+`": "hanging"}}`)
	return &phase{
		properties: "context: { location: . }\ntags: [\"REPO:1\"]",
		dockerfile: "FROM " + registry.Host() + "/base:1\n",
		env:        []string{"DOCKER_CONFIG=" + folder, "PATH=" + folder + ":" + os.Getenv("PATH")},
		reached:    func(*stack.Test) bool { _, err := os.Stat(asked); return err == nil },
		want: "it was [^;]*asking " + registry.Host() + " for the base image " + registry.Host() +
			"/base:1 for [^;]* and " +
			"waiting for docker-credential-hanging to give the login for " + registry.Host() +
			" for [^;]*; nothing was pushed and no tag moved",
	}
}

// whilePausing waits because a registry asked for a pause of a minute.
func whilePausing(t *testing.T) *phase {
	registry := registrytest.New(t)
	busy := registrytest.Status(http.StatusTooManyRequests, "TOOMANYREQUESTS", "slow down", "60")
	return &phase{
		properties: "context: { location: . }\ntags: [\"" + registry.Host() + "/app:1\"]",
		registry:   registry,
		reached:    isClosedFor(interceptRequests(registry, isTagRequest, busy), 500*time.Millisecond),
		// On a slow machine Ctrl-C may still come before the answer has arrived.
		want: "it was moving tags, waiting (?:to ask " + registry.Host() +
			" again for [^;]* of 1m0s, because: 429 rate limited: " +
			"slow down|for " + registry.Host() + " to answer PUT ).*; the image was pushed and no tag moved",
	}
}

// isDigestRequest reports whether the request is for a manifest by digest.
func isDigestRequest(r *http.Request) bool { return strings.Contains(r.URL.Path, "/manifests/sha256:") }

// isClosedFor returns a function that reports whether it was first seen at least this long ago that the channel is
// closed.
func isClosedFor(c <-chan struct{}, least time.Duration) func(*stack.Test) bool {
	closed := isClosed(c)
	var seen time.Time
	return func(s *stack.Test) bool {
		if seen.IsZero() && closed(s) {
			seen = time.Now()
		}
		return !seen.IsZero() && time.Since(seen) >= least
	}
}

// isClosed returns a function that reports whether the channel is closed.
func isClosed(c <-chan struct{}) func(*stack.Test) bool {
	return func(*stack.Test) bool {
		select {
		case <-c:
			return true
		default:
			return false
		}
	}
}
