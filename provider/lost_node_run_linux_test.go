package provider

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/pulumi/pulumi/sdk/v3/go/property"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// secondPlatform is the only one that the second node of a run may build. The first node may build any.
const secondPlatform = "linux/arm64"

// absentBuilder is the third builder of a run, where no daemon listens.
const absentBuilder = "unix:///nowhere/b.sock"

// nodePart is one platform of the image of all runs, as a single builder makes it.
type nodePart struct {
	step            string // the command that runs while its step runs
	manifest, layer string // digests; the layer is that of the step
}

// nodeLossRun is an update on two nodes and a third one that is down. One of the two is lost in a phase.
type nodeLossRun struct {
	lossRun
	nodes [2]*killableDaemon
	parts *[2]nodePart
	index int // of the node that is lost
	seen  *stepLog
	// survivorDone tells that the other node had done its step when the node was lost.
	survivorDone atomic.Bool
	isLost       atomic.Bool
	lost         time.Time
}

// nodePhases are the phases of the work of a node. Each function makes the run lose the node there.
var nodePhases = map[string]func(*nodeLossRun){
	"connection": func(r *nodeLossRun) { r.lose() },
	"context":    func(r *nodeLossRun) { r.lostNode().meet = r.lose; r.lostNode().onSent.Store(1 << 20) },
	"step":       func(r *nodeLossRun) { r.loseAtStep(true) },
	"export":     func(r *nodeLossRun) { r.loseAtStep(false) },
	"push of a layer": func(r *nodeLossRun) {
		r.loseBefore(func(req *http.Request) bool {
			return req.Method == http.MethodPut && req.URL.Query().Get("digest") == r.part().layer
		})
	},
	"push of the manifest": func(r *nodeLossRun) {
		r.loseBefore(func(req *http.Request) bool {
			return req.Method == http.MethodPut && strings.HasSuffix(req.URL.Path, r.part().manifest)
		})
	},
	"index": (*nodeLossRun).loseBeforeIndex,
}

// prepareNodes starts what an update on two nodes needs.
func (r *nodeLossRun) prepareNodes(t *testing.T) {
	t.Helper()
	r.t, r.registry = t, registrytest.New(t, registrytest.Folder(t.TempDir()))
	var started sync.WaitGroup
	for i := range r.nodes {
		started.Go(func() { r.nodes[i] = startKillableDaemon(t) })
	}
	started.Wait()
	if t.Failed() {
		t.FailNow()
	}
	r.startProvider()
	r.seen = newStepLog(t, r)
}

// startProvider starts a provider that has the builders of the run.
func (r *nodeLossRun) startProvider() {
	r.t.Helper()
	settings := &settings{
		silence: 3 * time.Second, dialLimit: 3 * time.Second, registry: registry.Options{RetryWaits: []time.Duration{}},
	}
	r.wire = dial(r.t, newProvider(settings), fmt.Sprintf(`{"builders": [{"endpoint": %q}, `+
		`{"endpoint": %q, "platforms": [%q]}, {"endpoint": %q}]}`,
		r.nodes[0].endpoint(), r.nodes[1].endpoint(), secondPlatform, absentBuilder))
}

func (r *nodeLossRun) lostNode() *killableDaemon { return r.nodes[r.index] }

func (r *nodeLossRun) part() nodePart { return r.parts[r.index] }

// up creates the image of two platforms.
func (r *nodeLossRun) up() (property.Map, error) {
	r.t.Helper()
	inputs := nodeInputs(r.t, r.registry.Host(), r.dir, r.parts)
	return r.create(inputs.Set("platforms", list([]string{"linux/amd64", secondPlatform})))
}

// nodeInputs returns the inputs of the image of all runs, without its platforms. Its layers are the same whichever
// builder makes them.
//
// It has no base image: resolving those of several platforms, the frontend of BuildKit has a harmless race.
func nodeInputs(t *testing.T, host, dir string, parts *[2]nodePart) property.Map {
	t.Helper()
	dockerfile := "FROM scratch\nARG TARGETARCH\nCOPY busybox-$TARGETARCH /busybox\nCOPY big /\n" +
		`RUN ["/busybox", "sh", "-c", "(echo $TARGETARCH; /busybox cat /big /big) >/made && ` +
		"if [ $TARGETARCH = amd64 ]; then " + parts[0].step + "; else " + parts[1].step + "; fi\"]\n"
	return props(t, `{"sourceDateEpoch": 0, "tags": ["`+host+`/app:1"]}`).
		Set("dockerfile", property.New(props(t, `{}`).Set("inline", property.New(dockerfile)))).
		Set("context", property.New(props(t, `{"location": "`+dir+`"}`)))
}

// loseAtStep loses the node when its step begins, or else when the step has ended.
func (r *nodeLossRun) loseAtStep(begins bool) {
	ctx := r.t.Context()
	go func() {
		began := func() bool { return r.seen.count(r.index, r.index) > 0 }
		ended := func() bool { return !r.seen.runs(r.index, r.index) }
		if stack.WaitUntil(ctx, time.Minute, began) != nil {
			return
		}
		if begins || stack.WaitUntil(ctx, time.Minute, ended) == nil {
			r.lose()
		}
	}()
}

// loseBefore loses the node before the registry gets the first request that matches. By then the other node has done
// its step.
func (r *nodeLossRun) loseBefore(matches func(*http.Request) bool) {
	lose := sync.OnceFunc(func() {
		_ = stack.WaitUntil(r.t.Context(), 30*time.Second, r.hasSurvivorDone)
		r.lose()
	})
	r.registry.Wrap(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if matches(req) {
				lose()
			}
			next.ServeHTTP(w, req)
		})
	})
}

// loseBeforeIndex loses the node three seconds after its platform was pushed: its build has ended then. The registry
// holds back the manifest of the other platform meanwhile.
func (r *nodeLossRun) loseBeforeIndex() {
	own, others := r.part().manifest, r.parts[1-r.index].manifest
	lost := make(chan struct{})
	lose := sync.OnceFunc(func() { r.lose(); close(lost) })
	r.registry.Wrap(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			isPut := req.Method == http.MethodPut
			if isPut && strings.HasSuffix(req.URL.Path, others) {
				select {
				case <-lost:
				case <-time.After(30 * time.Second): // the test finds that nothing was lost
				}
			}
			next.ServeHTTP(w, req)
			if isPut && strings.HasSuffix(req.URL.Path, own) {
				time.AfterFunc(3*time.Second, lose)
			}
		})
	})
}

// hasSurvivorDone tells whether the other node has done the step of its platform.
func (r *nodeLossRun) hasSurvivorDone() bool {
	return r.seen.count(1-r.index, 1-r.index) > 0 && !r.seen.runs(1-r.index, 1-r.index)
}

// read fills in the digests of an image of one platform.
func (p *nodePart) read(t *testing.T, tag string) {
	t.Helper()
	ref, err := name.ParseReference(tag)
	if err != nil {
		t.Fatal(err)
	}
	image, err := remote.Image(ref)
	if err != nil {
		t.Fatal(err)
	}
	digest, err := image.Digest()
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := image.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	p.manifest, p.layer = digest.String(), manifest.Layers[len(manifest.Layers)-1].Digest.String()
}

// manifests returns the digests of the manifests that the tag leads to.
func (r *nodeLossRun) manifests() []string {
	r.t.Helper()
	ref, err := name.ParseReference(r.registry.Host() + "/app:1")
	if err != nil {
		r.t.Fatal(err)
	}
	index, err := remote.Index(ref)
	if err != nil {
		r.t.Fatal(err)
	}
	listed, err := index.IndexManifest()
	if err != nil {
		r.t.Fatal(err)
	}
	var digests []string
	for _, m := range listed.Manifests {
		digests = append(digests, m.Digest.String())
	}
	return digests
}
