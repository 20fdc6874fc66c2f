// Package registrytest runs a real registry, distribution v3, in this process on loopback. It records the requests, and
// injects faults. Tests use New, demonstrations Start.
//
//	Registry   the registry                                         registry.go, registry_push.go
//	ECR        a Registry that behaves like Amazon ECR              ecr.go
//	Rule       which requests meet a Fault, such as Reset           fault.go
//	Fault      what MountOnlyFrom and others of them do             mount.go
//	Image      a new image or index for Push                        image.go
package registrytest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/distribution/distribution/v3/registry/handlers"
	"github.com/google/go-containerregistry/pkg/authn"

	// The two places where content may be.
	_ "github.com/distribution/distribution/v3/registry/storage/driver/filesystem"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/inmemory"
	"github.com/sirupsen/logrus"
)

// Registry is a running registry. All methods are safe for concurrent use.
type Registry struct {
	host   string
	server *http.Server
	app    *handlers.App
	ended  chan error
	config config
	login  func() authn.Authenticator // in place of config's, if there is one

	mu       sync.Mutex
	handler  http.Handler
	requests []Request
}

// Request is a request that was answered.
type Request struct {
	Method string
	Path   string
	Status int
}

// Option changes a registry before it starts. The default keeps everything in memory and lets everybody in.
type Option func(*config)

type config struct {
	folder             string
	username, password string
	window             int
}

// Login makes the registry ask everybody for this user name and password, by Basic authentication.
func Login(username, password string) Option {
	return func(c *config) { c.username, c.password = username, password }
}

// Folder keeps the content in a folder, which outlives the registry and may be large.
func Folder(path string) Option {
	return func(c *config) { c.folder = path }
}

// Window bounds how much of a request the system takes before the registry reads it, in bytes. So the other side
// notices a slow registry.
func Window(bytes int) Option {
	return func(c *config) { c.window = bytes }
}

// New starts a registry on a free port of 127.0.0.1 and closes it at the end of the test.
func New(t testing.TB, options ...Option) *Registry {
	t.Helper()
	r, err := Start("127.0.0.1:0", options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// Start serves a registry on address, such as "127.0.0.1:5000", until Close. With port 0 the system chooses one.
//
// Distribution logs through logrus's standard logger and offers no other, so that Start silences that logger for the
// whole process.
func Start(address string, options ...Option) (*Registry, error) {
	silence()
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("registry on %s: %w; is one running already?", address, err)
	}
	r := &Registry{host: listener.Addr().String(), ended: make(chan error, 1)}
	for _, option := range options {
		option(&r.config)
	}
	r.app = handlers.NewApp(context.Background(), newConfiguration(r.config))
	r.handler = requireLogin(r.app, r.config)
	r.server = &http.Server{
		Handler:           http.HandlerFunc(r.serve),
		ReadHeaderTimeout: time.Minute,
		ErrorLog:          slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
		ConnContext:       r.config.narrow,
	}
	go func() { r.ended <- r.server.Serve(listener) }()
	return r, nil
}

// narrow sets the window of a connection.
func (c config) narrow(ctx context.Context, conn net.Conn) context.Context {
	if tcp, ok := conn.(*net.TCPConn); ok && c.window > 0 {
		_ = tcp.SetReadBuffer(c.window)
	}
	return ctx
}

var silence = sync.OnceFunc(func() {
	logrus.SetOutput(io.Discard)
	logrus.SetLevel(logrus.PanicLevel)
})

// Host returns "127.0.0.1:port".
func (r *Registry) Host() string { return r.host }

// Wrap puts a handler before all others, from the next request on. The handler passes to next what it does not answer.
func (r *Registry) Wrap(wrap func(next http.Handler) http.Handler) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.handler = wrap(r.handler)
}

// Requests returns the requests that were answered so far, oldest first.
func (r *Registry) Requests() []Request {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.requests)
}

// Close lets running requests end, for a fifth of a second, and cuts off what is left.
//
// The time is short because connections without any request, such as browsers and Go's client keep, count as running
// for 5 seconds.
func (r *Registry) Close() error {
	late := errors.New("requests are still running")
	ctx, cancel := context.WithTimeoutCause(context.Background(), time.Second/5, late)
	defer cancel()
	if r.server.Shutdown(ctx) != nil {
		_ = r.server.Close()
	}
	served := <-r.ended
	if errors.Is(served, http.ErrServerClosed) {
		served = nil
	}
	return errors.Join(served, r.app.Shutdown())
}

// serve passes a request to the handlers, and records it.
func (r *Registry) serve(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	handler := r.handler
	r.mu.Unlock()
	recorder := &statusRecorder{ResponseWriter: w, status: http.StatusOK}
	// Deferred, so that requests that a fault cut off are recorded too, with the status that they would have had.
	defer r.record(Request{Method: req.Method, Path: req.URL.Path}, recorder)
	handler.ServeHTTP(recorder, req)
}

// record remembers a request with the status of its answer.
func (r *Registry) record(request Request, recorder *statusRecorder) {
	request.Status = recorder.status
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests = append(r.requests, request)
}

// statusRecorder remembers the status that passes through it.
type statusRecorder struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (s *statusRecorder) WriteHeader(status int) {
	s.status = status
	s.ResponseWriter.WriteHeader(status)
}

// Unwrap returns the writer behind, for http.ResponseController.
func (s *statusRecorder) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// requireLogin returns a handler that refuses requests without the login of c, if c has one.
func requireLogin(next http.Handler, c config) http.Handler {
	if c.username == "" {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if username, password, _ := req.BasicAuth(); username != c.username || password != c.password {
			w.Header().Set("Www-Authenticate", `Basic realm="registrytest"`)
			Refuse(w, http.StatusUnauthorized, "UNAUTHORIZED", "authentication required")
			return
		}
		next.ServeHTTP(w, req)
	})
}

// newConfiguration returns the configuration of distribution.
func newConfiguration(c config) *configuration.Configuration {
	storage := configuration.Storage{
		"inmemory":    configuration.Parameters{},
		"delete":      configuration.Parameters{"enabled": true},
		"maintenance": configuration.Parameters{"uploadpurging": map[any]any{"enabled": false}},
	}
	if c.folder != "" {
		delete(storage, "inmemory")
		storage["filesystem"] = configuration.Parameters{"rootdirectory": c.folder}
	}
	result := &configuration.Configuration{Storage: storage}
	result.HTTP.Secret = "several registries of one test need not trust each other's uploads"
	result.HTTP.RelativeURLs = true
	return result
}
