package buildkit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/containerd/containerd/v2/core/content/proxy"
	"github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
)

const (
	// gateAddress is where gates listen, each on its own random port. It is an address of this machine's loopback,
	// which daemons reach without TLS and without a proxy. The host is always the same, because a daemon keeps a label
	// with each layer that names the host, without the port.
	gateAddress = "127.83.66.1:0"
	// gateRepository is the repository of a gate.
	gateRepository = "gate"
	// blobSizesTimeout bounds how long a gate asks the daemon for sizes.
	blobSizesTimeout = 10 * time.Second
)

// gateHost returns the address of a gate as daemons see it. Tests replace it.
var gateHost = func(listener net.Listener) string { return listener.Addr().String() }

// Blob is a layer or a configuration that a daemon is about to push.
type Blob struct {
	Digest string
	Size   int64 // -1 if the daemon does not hold it yet
}

// pushGate tells this process what a daemon is about to push, and makes the daemon wait.
//
// A daemon pushes an image to its names one after the other. The gate is a registry on the loopback of this machine,
// and its name is the first one. It claims to have everything. So the daemon asks for each blob, and then for the
// manifest, whose answer may come late. Nothing is sent to the gate. Each push has its own gate, because a daemon sends
// few requests at a time to one registry.
//
// A daemon reads from where it may mount a layer when it begins to push to a name. So it knows of all pushes that ended
// before the gate opened.
type pushGate struct {
	name   string // host/path, for the daemon
	begin  func(ctx context.Context, blobs []Blob)
	sizes  func(ctx context.Context, blobs []string) []Blob
	server *http.Server
	log    *slog.Logger

	cancel context.CancelCauseFunc // ends requests
	passed bool                    // the daemon has pushed to the gate: see takeStatus

	once    sync.Once
	running sync.WaitGroup // requests
	mu      sync.Mutex
	closed  bool
	blobs   map[string]bool
}

// gateError says that a daemon could not push to its gate. Without a gate the push may succeed.
type gateError struct{ text string }

// Error returns the daemon's text.
func (e *gateError) Error() string { return e.text }

// openGate opens a gate and makes it the first name of the image, if somebody wants to know of the push. An image with
// attestations gets no gate, because these name all repositories. The caller closes the gate.
func (s *solve) openGate(ctx context.Context, c *client.Client, access Access, exports []client.ExportEntry) {
	if access.BeginPush == nil || s.plan.Provenance != "" || s.plan.SBOM != "" {
		return
	}
	options := pushOptions(exports)
	if options == nil {
		return
	}
	s.gate = newGate(ctx, c, access.BeginPush, s.log)
	if s.steps.gate = s.gate; s.gate != nil {
		options["name"] = s.gate.name + "," + options["name"]
	}
}

// pushOptions returns the options of the export that pushes the image. It returns nil if several do, or none.
func pushOptions(exports []client.ExportEntry) (options map[string]string) {
	for _, e := range exports {
		if e.Type != client.ExporterImage || e.Attrs["push"] != "true" {
			continue
		}
		if options != nil {
			return nil
		}
		options = e.Attrs
	}
	return options
}

// newGate opens a gate. It returns nil if this machine cannot have one.
func newGate(
	ctx context.Context, c *client.Client, begin func(context.Context, []Blob), logger *slog.Logger,
) *pushGate {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", gateAddress)
	if err != nil {
		logger.DebugContext(ctx, "no gate for the push", "reason", errorLine(err))
		return nil
	}
	ctx, cancel := context.WithCancelCause(ctx)
	g := &pushGate{
		name:  gateHost(listener) + "/" + gateRepository,
		begin: begin,
		sizes: func(ctx context.Context, blobs []string) []Blob { return readSizes(ctx, c, blobs) },
		log:   logger,
		blobs: map[string]bool{}, cancel: cancel,
	}
	g.server = &http.Server{
		Handler:           http.HandlerFunc(g.serve),
		ReadHeaderTimeout: time.Minute,
		ErrorLog:          slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	rescue.Go(func(err error) { logger.DebugContext(ctx, "the gate failed", "reason", errorLine(err)) }, func() {
		_ = g.server.Serve(listener)
	})
	return g
}

// close closes the gate and its connections. It waits until begin has returned.
func (g *pushGate) close() {
	if g == nil {
		return
	}
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	g.cancel(context.Canceled)
	_ = g.server.Close()
	g.running.Wait()
}

// enter counts a request that runs. It returns false if the gate is closed.
func (g *pushGate) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.closed {
		g.running.Add(1)
	}
	return !g.closed
}

// serve answers a request of the daemon.
func (g *pushGate) serve(w http.ResponseWriter, req *http.Request) {
	if !g.enter() {
		return
	}
	defer g.running.Done()
	ctx := req.Context()
	err := rescue.Call(func() error {
		_, reference, isBlob := strings.Cut(req.URL.Path, "/blobs/")
		isManifest := strings.Contains(req.URL.Path, "/manifests/")
		switch {
		case req.Method != http.MethodHead:
			w.WriteHeader(http.StatusMethodNotAllowed)
		case isBlob:
			g.note(reference)
		case isManifest:
			g.once.Do(func() { g.begin(ctx, g.sizes(ctx, g.blobNames())) })
		}
		return nil
	})
	if err != nil {
		g.log.DebugContext(ctx, "the gate failed", "reason", errorLine(err))
	}
}

// note remembers a blob.
func (g *pushGate) note(d string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.blobs[d] = true
}

// blobNames returns the blobs of the push.
func (g *pushGate) blobNames() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Sorted(maps.Keys(g.blobs))
}

// readSizes asks the daemon for the sizes of blobs. It leaves out what is no digest.
func readSizes(ctx context.Context, c *client.Client, blobs []string) (known []Blob) {
	ctx, stop := context.WithTimeoutCause(ctx, blobSizesTimeout, fmt.Errorf("no answer within %s", blobSizesTimeout))
	defer stop()
	store := proxy.NewContentStore(c.ContentClient())
	for _, text := range blobs {
		d, err := digest.Parse(text)
		if err != nil {
			continue
		}
		info, err := store.Info(ctx, d)
		if err != nil {
			info.Size = -1
		}
		known = append(known, Blob{Digest: text, Size: info.Size})
	}
	return known
}

// takeStatus reports whether a status of the daemon is about the gate. One goroutine calls it.
//
// A daemon does not say to which repository it pushes layers. It is the gate until that has the manifest.
func (g *pushGate) takeStatus(status *client.VertexStatus) bool {
	switch {
	case g == nil:
		return false
	case !strings.Contains(status.ID, g.name):
		return !g.passed && status.ID == "pushing layers"
	case status.Completed != nil && strings.HasPrefix(status.ID, "pushing manifest"):
		g.passed = true
	}
	return true
}

// errorOf returns a *gateError if the daemon's error is about a push to the gate, or nil.
func (g *pushGate) errorOf(err error) error {
	if g == nil {
		return nil
	}
	if text := innerMessage(err); strings.HasPrefix(text, "failed to push "+g.name) {
		return &gateError{text: text}
	}
	return nil
}

// isGateError reports whether a push failed at its gate.
func isGateError(err error) bool { return errors.As(err, new(*gateError)) }
