package provider

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon/daemontest"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// lossRun is one update of which the daemon is lost in a phase.
type lossRun struct {
	*killableDaemon
	*wire
	t        *testing.T
	registry *registrytest.Registry
	base     string // the base image
	dir      string // the build context
	step     string // the command of a step; no other test has the same
	lose     func() // kills or freezes the daemon
}

// phases are the phases of an update. Each function makes the run lose its daemon there.
var phases = map[string]func(*lossRun){
	"connection":           func(r *lossRun) { r.lose() },
	"context":              func(r *lossRun) { r.meet = r.lose; r.onSent.Store(1 << 20) },
	"step":                 func(r *lossRun) { r.loseAtProcess(true) },
	"export":               func(r *lossRun) { r.loseAtProcess(false) },
	"push of a layer":      func(r *lossRun) { r.loseAtRequest(http.MethodPut, "/blobs/uploads/") },
	"push of the manifest": func(r *lossRun) { r.loseAtRequest(http.MethodPut, "/manifests/sha256:") },
	"verification":         func(r *lossRun) { r.loseAtRequest(http.MethodGet, "/manifests/sha256:") },
	"tags":                 func(r *lossRun) { r.loseAtRequest(http.MethodPut, "/manifests/1") },
}

// loseAtRequest loses the daemon at the first request of a kind to the registry.
func (r *lossRun) loseAtRequest(method, path string) {
	lose := sync.OnceFunc(r.lose)
	r.registry.Inject(registrytest.Rule{Method: method, Path: path,
		Fault: func(w http.ResponseWriter, req *http.Request, next http.Handler) {
			lose()
			next.ServeHTTP(w, req)
		}})
}

// loseAtProcess loses the daemon when the step of the run begins, or else when it has ended. The daemon then compresses
// the layer, which takes a second.
func (r *lossRun) loseAtProcess(begins bool) {
	ctx := r.t.Context()
	go func() {
		if stack.WaitUntil(ctx, time.Minute, r.hasStep) != nil {
			return
		}
		if begins || stack.WaitUntil(ctx, time.Minute, func() bool { return !r.hasStep() }) == nil {
			r.lose()
		}
	}()
}

// hasStep tells whether the process of the step runs.
func (r *lossRun) hasStep() bool {
	return len(stack.Processes(func(p stack.Proc) bool { return p.Command == r.step })) > 0
}

// prepare starts what an update needs. The step of the update takes a second.
func (r *lossRun) prepare(t *testing.T) {
	t.Helper()
	r.killableDaemon, r.t, r.dir = startKillableDaemon(t), t, t.TempDir()
	r.registry = registrytest.New(t, registrytest.Folder(t.TempDir())) // in memory, -race makes large layers slow
	big := make([]byte, 4<<20)
	_, _ = rand.Read(big)
	if err := os.WriteFile(filepath.Join(r.dir, "big"), big, 0o600); err != nil {
		t.Fatal(err)
	}
	settings := &settings{
		silence: 3 * time.Second, dialLimit: 3 * time.Second, registry: registry.Options{RetryWaits: []time.Duration{}},
	}
	r.wire = dial(t, newProvider(settings), `{"host": "`+r.endpoint()+`"}`)
}

// up creates the image, as pulumi up does.
func (r *lossRun) up() (property.Map, error) {
	r.t.Helper()
	dockerfile := "FROM " + r.base + "\nRUN head -c 8m /dev/urandom >/random && " + r.step +
		"\nCOPY big /\n"
	inputs := props(r.t, `{"platforms": ["linux/amd64"], "tags": ["`+r.registry.Host()+`/app:1"]}`).
		Set("dockerfile", property.New(props(r.t, `{}`).Set("inline", property.New(dockerfile)))).
		Set("context", property.New(props(r.t, `{"location": "`+r.dir+`"}`)))
	return r.create(inputs)
}

// create checks the inputs and creates the image.
func (r *lossRun) create(inputs property.Map) (property.Map, error) {
	r.t.Helper()
	checked, err := r.Check(r.t.Context(), &pulumirpc.CheckRequest{
		Urn: string(urn), News: marshalProperties(r.t, inputs),
	})
	if err != nil || len(checked.GetFailures()) > 0 {
		r.t.Fatal(err, checked.GetFailures())
	}
	created, err := r.Create(r.t.Context(), &pulumirpc.CreateRequest{
		Urn: string(urn), Properties: checked.GetInputs(),
	})
	return unmarshalProperties(r.t, created.GetProperties()), err
}

// stepInputs returns the inputs of an update that runs the step, which is of /busybox, and needs no registry.
func (r *lossRun) stepInputs() property.Map {
	r.t.Helper()
	root, err := daemontest.Root()
	if err != nil {
		r.t.Fatal(err)
	}
	busybox := filepath.Join(root, ".cache", "fixtures", "busybox-"+runtime.GOARCH, "busybox")
	if err := exec.Command("cp", busybox, r.dir).Run(); err != nil {
		r.t.Fatal(err)
	}
	args := strings.Fields(r.step)
	dockerfile := fmt.Sprintf("FROM scratch\nCOPY busybox /\nRUN [%q, %q, %q]\n", args[0], args[1], args[2])
	return props(r.t, `{"platforms": ["linux/`+runtime.GOARCH+`"], "exports": [{"cacheonly": {}}]}`).
		Set("dockerfile", property.New(props(r.t, `{}`).Set("inline", property.New(dockerfile)))).
		Set("context", property.New(props(r.t, `{"location": "`+r.dir+`"}`)))
}

// pushBusybox pushes the base image of a run and returns its reference.
func pushBusybox(t *testing.T, host string) string {
	t.Helper()
	root, err := daemontest.Root()
	if err != nil {
		t.Fatal(err)
	}
	ref, err := stack.PushBusybox(t.Context(), filepath.Join(root, ".cache", "fixtures"), host)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

// checkImage checks that an update has succeeded.
func (r *lossRun) checkImage(out property.Map, err error) {
	r.t.Helper()
	if err != nil || r.heldTag() == "" || r.heldTag() != text(out, "digest") {
		r.t.Errorf("the tag holds %q, the state has %q: %v\n%s", r.heldTag(), text(out, "digest"), err, r.logText())
	}
}

// checkLoss checks that an update has failed because its daemon was lost.
func (r *lossRun) checkLoss(phase string, err error, says []string) {
	r.t.Helper()
	says = append(says, "on "+r.endpoint()+": the daemon ", "tried once more: no BuildKit daemon answers at ",
		"no tag moved")
	if phase == "connection" { // there is nothing to try again
		says = []string{"no BuildKit daemon answers at " + r.endpoint()}
	}
	for _, want := range says {
		if err == nil || !strings.Contains(err.Error(), want) {
			r.t.Errorf("the error lacks %q: %v", want, err)
		}
	}
	if held := r.heldTag(); held != "" {
		r.t.Errorf("the tag moved to %s", held)
	}
}

// heldTag returns the digest of the tag; "" if it does not exist.
func (r *lossRun) heldTag() string {
	ref, err := name.ParseReference(r.registry.Host() + "/app:1")
	if err != nil {
		r.t.Fatal(err)
	}
	held, err := remote.Head(ref)
	if err != nil {
		return ""
	}
	return held.Digest.String()
}
