package provider

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
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
	more string // inputs of the images
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
		"context": {"location": "`+b.dir+`"}`+b.more+`}`).
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
// same time. A registry that does not mount from a repository gets them, and ends the upload that it begins instead.
func TestBaseLayersAreNotSent(t *testing.T) {
	t.Parallel()
	const images = 3
	b := newSameBytes(t, `{"host": "`+endpoints(t)[0]+`"}`)
	b.Inject(registrytest.Rule{Method: http.MethodPost, Fault: registrytest.MountOnlyFrom("shared")})
	for _, test := range []struct {
		base        string
		atOnce      bool
		least, most int64 // MiB that all images send
	}{{"shared", true, 0, 0}, {"shared", false, 0, 0}, {"base", true, 3, 3 * images}} {
		digest := b.Push(t, test.base, registrytest.LargeImage(t, "linux/amd64", 3*mebibyte))
		b.sent = b.CountUploads()
		b.up(t, images, test.atOnce, fmt.Sprintf("%s-%t", test.base, test.atOnce), func(n int) string {
			return fmt.Sprintf("FROM %s/%s@%s\nCOPY <<EOF /app\n%d\nEOF\n", b.Host(), test.base, digest, n)
		})
		if sent := b.sent.Load(); sent < test.least*mebibyte || sent > test.most*mebibyte+mebibyte/2 {
			t.Errorf("%v: %d bytes were sent", test, sent)
		}
		ended := slices.ContainsFunc(b.Requests(), func(r registrytest.Request) bool {
			return r.Method == http.MethodDelete && r.Status == http.StatusNoContent
		})
		if refused := test.most > 0; ended != refused {
			t.Errorf("%v: an upload was ended: %t", test, ended)
		}
	}
}

// A layer that several images build is sent once. That holds for images that are pushed at the same time too, if the
// registry throttles, and over plain HTTP. A registry that does not mount gets it from each of them.
func TestEqualLayersAreSentOnce(t *testing.T) {
	const images = 4
	embedded.Endpoint(t)
	t.Setenv("PULUMI_BUILDKIT_DAEMON_IDLE", "1s")
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1") // which is not for loopback
	refuseMounts := registrytest.Rule{Method: http.MethodPost, Fault: registrytest.MountOnlyFrom()}
	busy := registrytest.Status(http.StatusTooManyRequests, "TOOMANYREQUESTS", "slow down", "")
	for name, test := range map[string]struct { //nolint:paralleltest // they share the environment
		oneByOne, insecure bool
		rule               registrytest.Rule
		copies             int64 // of the layer that the registry gets at most
	}{
		"at once":            {copies: 1},
		"one after another":  {copies: 1, oneByOne: true},
		"at once, plain":     {copies: 1, insecure: true},
		"at once, refused":   {copies: images, rule: refuseMounts},
		"at once, throttled": {copies: 1, rule: registrytest.Rule{Method: http.MethodPost, Times: 3, Fault: busy}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newSameBytes(t, `{"host": "local://"}`)
			if test.insecure {
				b.more = `, "registries": [{"address": "` + b.Host() + `", "insecure": true}]`
			}
			content := make([]byte, 3*mebibyte)
			_, _ = rand.Read(content)
			if err := os.WriteFile(filepath.Join(b.dir, "big"), content, 0o600); err != nil {
				t.Fatal(err)
			}
			if test.rule.Fault != nil {
				b.Inject(test.rule)
			}
			b.sent = b.CountUploads()
			b.up(t, images, !test.oneByOne, "app", func(n int) string {
				return fmt.Sprintf("FROM scratch\nCOPY big /\nCOPY <<EOF /app\n%d\nEOF\n", n)
			})
			sent, least, most := b.sent.Load(), int64(3*mebibyte), test.copies*3*mebibyte+mebibyte/2
			if sent < least || sent > most {
				t.Errorf("%d bytes were sent, want %d to %d", sent, least, most)
			}
			if log := b.wire.logText(); strings.Contains(log, "127.83.66.1") {
				t.Errorf("the log names the gate: %s", log)
			}
		})
	}
}
