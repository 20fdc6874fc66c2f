package buildkit_test

import (
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// pushStallTimeout is the StallTimeout of pushes. On a slow machine even a good registry is silent for two seconds.
const pushStallTimeout = 3 * time.Second

// delayAnswer answers later than the StallTimeout of pushes.
func delayAnswer(w http.ResponseWriter, req *http.Request, next http.Handler) {
	select {
	case <-time.After(pushStallTimeout + 2*time.Second):
	case <-req.Context().Done():
	}
	next.ServeHTTP(w, req)
}

// readSlowly reads the layer so slowly that it takes longer than the silence of the tests: 256 KiB a second, for 5 s.
func readSlowly(w http.ResponseWriter, req *http.Request, next http.Handler) {
	if req.ContentLength < 1<<20 { // the configuration
		next.ServeHTTP(w, req)
		return
	}
	body := req.Body
	reader, writer := io.Pipe()
	req.Body = reader
	go func() { // ends with the body
		var err error
		for range 20 {
			<-time.After(250 * time.Millisecond)
			if _, err = io.CopyN(writer, body, 64<<10); err != nil {
				break
			}
		}
		if err == nil {
			_, err = io.Copy(writer, body)
		}
		_ = writer.CloseWithError(err)
	}()
	next.ServeHTTP(w, req)
}

// A build ends if a registry does not answer about a base image. The error names the image.
func TestStalledResolve(t *testing.T) {
	t.Parallel()
	b := newTestBuilder(t)
	silent := registrytest.New(t)
	silent.Inject(registrytest.Rule{Path: "/manifests/", Fault: registrytest.Stall})
	plan := inlinePlan(t.TempDir(), "FROM "+silent.Host()+"/base:1\nCOPY a /")
	writeAlike(t, plan.Files.Context, map[string]string{"a": t.Name()})
	inputs, err := inputs.Load(t.Context(), plan)
	if err != nil {
		t.Fatal(err)
	}
	access := buildkit.Access{Credentials: noCredentials, StallTimeout: time.Second}
	_, err = buildkit.Solve(t.Context(), b.c, plan, inputs, access, func(buildkit.Event) {})
	want := "base image " + silent.Host() + "/base:1: " + silent.Host() + " does not answer: it has been silent for 1s"
	if base, ok := errors.AsType[*buildkit.BaseImageError](err); !ok || base.Fault != buildkit.Unreachable ||
		base.Error() != want {
		t.Errorf("got %v, want %q", err, want)
	}
}

// The export of a cache ends with a *StalledCacheError if a registry takes the cache and does not answer. The caches
// that are written by then stay so.
func TestStalledCacheExport(t *testing.T) {
	t.Parallel()
	b := newTestBuilder(t)
	good, bad := registrytest.New(t), registrytest.New(t)
	bad.Inject(registrytest.Rule{Method: http.MethodPut, Fault: registrytest.Stall})
	plan := inlinePlan(t.TempDir(), "FROM scratch\nCOPY a /")
	writeAlike(t, plan.Files.Context, map[string]string{"a": t.Name()})
	plan.Repositories = []string{good.Host() + "/image"}
	inputs, err := inputs.Load(t.Context(), plan)
	if err != nil {
		t.Fatal(err)
	}
	cache := buildkit.Cache{
		Type:    "registry",
		Options: map[string]string{"ref": bad.Host() + "/cache", "mode": "max"},
	}
	other := buildkit.Cache{Type: "registry", Options: map[string]string{"ref": good.Host() + "/cache"}}
	still := func() (int64, bool) { return 0, true }
	access := buildkit.Access{
		Credentials: noCredentials, StallTimeout: time.Second, BytesWritten: still,
		CacheTo: []buildkit.Cache{cache, other},
	}
	_, err = buildkit.Solve(t.Context(), b.c, plan, inputs, access, func(buildkit.Event) {})
	if err != nil {
		t.Fatal(err)
	}
	exports := buildkit.ExportCaches(t.Context(), b.c, plan, inputs, access, func(buildkit.Event) {})
	if stalled, ok := errors.AsType[*buildkit.StalledCacheError](exports[0].Err); !ok || stalled.Limit != time.Second {
		t.Errorf("got %v", exports)
	}
	if exports[1].Err != nil || exports[1].Took == 0 {
		t.Errorf("the good cache: %v", exports[1])
	}
}

// A registry that stops in the middle of a layer is given up when the daemon has sent nothing for as long as the
// silence. One that is slow is not, and neither is one of which nobody can tell.
func TestStalledPush(t *testing.T) {
	t.Parallel()
	b := newTestBuilderOn(t, &stuck)
	written := buildkit.WriteCounter(t.Context(), stuck.Endpoint(t))
	cases := map[string]struct {
		fault   registrytest.Fault
		times   int
		written func() (int64, bool)
		want    string
	}{
		"silent":          {registrytest.Stall, 1, written, "/image: no answer within 3s"},
		"slow":            {readSlowly, 0, written, ""},
		"nobody can tell": {delayAnswer, 1, nil, ""},
	}
	for name, c := range cases { //nolint:paralleltest // what one sends would be headway of another
		t.Run(name, func(t *testing.T) {
			good, far := registrytest.New(t), registrytest.New(t, registrytest.Window(64<<10))
			far.Inject(registrytest.Rule{
				Method: http.MethodPut, Path: "/blobs/uploads/", Times: c.times, Fault: c.fault,
			})
			plan := inlinePlan(t.TempDir(), "FROM scratch\nCOPY a /")
			content := make([]byte, 2<<20) // the daemon's side of the connection takes it all at once
			_, _ = rand.NewChaCha8([32]byte{name[0]}).Read(content)
			writeAlike(t, plan.Files.Context, map[string]string{"a": string(content)})
			plan.Repositories = []string{good.Host() + "/image", far.Host() + "/image"}
			inputs, err := inputs.Load(t.Context(), plan)
			if err != nil {
				t.Fatal(err)
			}
			access := buildkit.Access{
				Credentials: noCredentials, StallTimeout: pushStallTimeout, BytesWritten: c.written,
			}
			_, err = buildkit.Solve(t.Context(), b.c, plan, inputs, access, func(buildkit.Event) {})
			if c.want == "" && err != nil ||
				c.want != "" && (err == nil || !strings.Contains(err.Error(), far.Host()+c.want)) {
				t.Errorf("pushing to %s: got %v, want %q", far.Host(), err, c.want)
			}
		})
	}
}
