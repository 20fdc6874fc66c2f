package provider

import (
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/property"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// sameBytes is a registry that counts, and a provider whose images are pushed there.
type sameBytes struct {
	*registrytest.Registry
	wire *wire
	sent *atomic.Int64
	dir  string
}

func newSameBytes(t *testing.T, config string) *sameBytes {
	t.Helper()
	r := registrytest.New(t, registrytest.Folder(t.TempDir()))
	b := &sameBytes{Registry: r, wire: dial(t, newProvider(&settings{}), config), dir: t.TempDir()}
	return b
}

// up creates images side by side, or one after the other. The Dockerfile of image n is dockerfile(n).
func (b *sameBytes) up(t *testing.T, images int, atOnce bool, name string, dockerfile func(n int) string) {
	t.Helper()
	var running sync.WaitGroup
	create := func(n int) { b.create(t, fmt.Sprintf("%s-%d", name, n), dockerfile(n)) }
	for n := range images {
		if !atOnce {
			create(n)
			continue
		}
		running.Go(func() { create(n) })
	}
	running.Wait()
}

// create checks and creates an image.
func (b *sameBytes) create(t *testing.T, name, dockerfile string) {
	inputs := props(t, `{"platforms": ["linux/amd64"], "tags": ["`+b.Host()+`/`+name+`:1"],
		"context": {"location": "`+b.dir+`"}}`).
		Set("dockerfile", property.New(props(t, `{}`).Set("inline", property.New(dockerfile))))
	checked, err := b.wire.Check(t.Context(), &pulumirpc.CheckRequest{
		Urn: string(urnOf(name)), News: marshalProperties(t, inputs),
	})
	if err == nil && len(checked.GetFailures()) == 0 {
		_, err = b.wire.Create(t.Context(), &pulumirpc.CreateRequest{
			Urn: string(urnOf(name)), Properties: checked.GetInputs(),
		})
	}
	if err != nil || len(checked.GetFailures()) > 0 {
		t.Errorf("%s: %v %v", name, err, checked.GetFailures())
	}
}

const mebibyte = 1 << 20

// The layers of a base image in another repository of the registry are not sent, also by images that are pushed at the
// same time. A registry that does not mount them gets them.
func TestBaseLayersAreNotSent(t *testing.T) {
	t.Parallel()
	const images = 4
	config := `{"host": "` + endpoints(t)[0] + `"}`
	for name, test := range map[string]struct {
		mountOnly []string // nil: the registry mounts from every repository
		base      string
		least     int64 // MiB that the images send together; the base has 3
		tolerated int64
		uploads   int // that were begun in place of mounts by the plugin: those of the daemon are not ended
	}{
		"mounted":           {base: "base"},
		"refused":           {base: "base", mountOnly: []string{}, least: 3, tolerated: 3 * images, uploads: 1},
		"mounted from some": {base: "shared", mountOnly: []string{"shared"}},
		"refused, of some":  {base: "base", mountOnly: []string{"shared"}, least: 3, tolerated: 3 * images, uploads: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newSameBytes(t, config)
			for _, atOnce := range []bool{true, false} {
				digest := b.Push(t, test.base, registrytest.LargeImage(t, "linux/amd64", 3*mebibyte))
				if test.mountOnly != nil {
					fault := registrytest.MountOnlyFrom(test.mountOnly...)
					b.Inject(registrytest.Rule{Method: http.MethodPost, Fault: fault})
				}
				b.sent = b.CountUploads()
				b.up(t, images, atOnce, fmt.Sprintf("app-%t", atOnce), func(n int) string {
					return fmt.Sprintf("FROM %s/%s@%s\nCOPY <<EOF /app\n%d\nEOF\n", b.Host(), test.base, digest, n)
				})
				sent := b.sent.Load()
				if sent < test.least*mebibyte || sent > test.tolerated*mebibyte+mebibyte/2 {
					t.Errorf("at once %t: %d bytes were sent", atOnce, sent)
				}
			}
			ended := 0
			for _, r := range b.Requests() {
				if r.Method == http.MethodDelete && r.Status == http.StatusNoContent {
					ended++
				}
			}
			if test.uploads == 0 && ended > 0 || ended < test.uploads {
				t.Errorf("%d uploads were ended", ended)
			}
		})
	}
}
