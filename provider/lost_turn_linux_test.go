package provider

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/property"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon/daemontest"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// A daemon that is killed while an image is built and another one waits for its turn is away for some seconds. Both
// images are built: the one in the queue does not dial before the daemon answers again.
func TestImagesInAQueueOutliveALostDaemon(t *testing.T) {
	t.Parallel()
	daemontest.SkipWithoutDaemon(t)
	d, r := startKillableDaemon(t), registrytest.New(t)
	settings := &settings{
		silence: 3 * time.Second, dialLimit: 20 * time.Second,
		registry: registry.Options{RetryWaits: []time.Duration{}},
	}
	w := dial(t, newProvider(settings), `{"host": "`+d.endpoint()+`", "maxParallelBuilds": 1}`)
	isQueued := func() bool { return strings.Contains(w.logText(), "waiting for its turn: 1 images build on ") }
	d.meet = sync.OnceFunc(func() {
		if err := stack.WaitUntil(t.Context(), time.Minute, isQueued); err != nil {
			t.Error("no image waits for its turn")
		}
		d.end()
		time.AfterFunc(3*time.Second, func() {
			if err := d.start(); err != nil {
				t.Error(err)
			}
		})
	})
	d.onSent.Store(1 << 20)
	var group sync.WaitGroup
	for i := range 3 {
		run := &lossRun{killableDaemon: d, wire: w, t: t}
		inputs := queuedImage(t, fmt.Sprintf("%s/queued:%d", r.Host(), i))
		group.Go(func() {
			if _, err := run.create(inputs); err != nil {
				t.Errorf("image %d: %v", i, err)
			}
		})
	}
	group.Wait()
	if said := w.logText(); !strings.Contains(said, "; trying once more") {
		t.Errorf("no image has lost the daemon:\n%s", said)
	}
}

// queuedImage returns the inputs of an image with a file of 4 MiB that no other image has.
func queuedImage(t *testing.T, tag string) property.Map {
	t.Helper()
	dir, big := t.TempDir(), make([]byte, 4<<20)
	_, _ = rand.Read(big)
	if err := os.WriteFile(filepath.Join(dir, "big"), big, 0o600); err != nil {
		t.Fatal(err)
	}
	return props(t, `{"platforms": ["linux/amd64"], "tags": ["`+tag+`"],
		"dockerfile": {"inline": "FROM scratch\nCOPY big /"}, "context": {"location": "`+dir+`"}}`)
}
