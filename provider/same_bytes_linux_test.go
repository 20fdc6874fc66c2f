package provider

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

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
	t.Helper()
	checked := b.check(t, name, dockerfile)
	_, err := b.wire.Create(t.Context(), &pulumirpc.CreateRequest{
		Urn: string(urnOf(name)), Properties: checked.GetInputs(),
	})
	if err != nil || len(checked.GetFailures()) > 0 {
		t.Errorf("%s: %v %v", name, err, checked.GetFailures())
	}
}

// check checks an image.
func (b *sameBytes) check(t *testing.T, name, dockerfile string) *pulumirpc.CheckResponse {
	t.Helper()
	inputs := props(t, `{"platforms": ["linux/amd64"], "tags": ["`+b.Host()+`/`+name+`:1"],
		"context": {"location": "`+b.dir+`"}`+b.more+`}`).
		Set("dockerfile", property.New(props(t, `{}`).Set("inline", property.New(dockerfile))))
	checked, err := b.wire.Check(t.Context(), &pulumirpc.CheckRequest{
		Urn: string(urnOf(name)), News: marshalProperties(t, inputs),
	})
	if err != nil {
		t.Errorf("%s: %v", name, err)
	}
	return checked
}

const mebibyte = 1 << 20

// The layers of a base image in another repository of the registry are not sent, also by images that are pushed at the
// same time. A registry that does not mount from a repository gets them, and ends the upload that it begins instead.
func TestBaseLayersAreNotSent(t *testing.T) {
	t.Parallel()
	const images = 3
	b := newSameBytes(t, `{"host": "`+endpoints(t)[0]+`"}`)
	for _, test := range []struct {
		base        string
		atOnce      bool
		least, most int64 // MiB that all images send
	}{
		{"first", true, 0, 0}, // the registry mounts everything
		{"shared", true, 0, 0}, {"shared", false, 0, 0}, {"base", true, 3, 3 * images}, {"other", false, 3, 3 * images},
	} {
		if test.base == "shared" {
			b.Inject(registrytest.Rule{Method: http.MethodPost, Fault: registrytest.MountOnlyFrom("shared")})
		}
		digest := b.Push(t, test.base, registrytest.LargeImage(t, "linux/amd64", 3*mebibyte))
		b.sent = b.CountUploads()
		b.up(t, images, test.atOnce, fmt.Sprintf("%s-%t", test.base, test.atOnce), func(n int) string {
			return fmt.Sprintf("FROM %s/%s@%s\n%s", b.Host(), test.base, digest, b.appLayer(n))
		})
		if sent := b.sent.Load(); sent < test.least*mebibyte || sent > test.most*mebibyte+mebibyte/2 {
			t.Errorf("%v: %d bytes were sent", test, sent)
		}
		if ended := b.countEndedUploads(); (ended > 0) != (test.most > 0) {
			t.Errorf("%v: %d uploads were ended", test, ended)
		}
	}
}

// A registry that refuses a mount with 403 gets the bytes from a builder that has pushed the layer before. BuildKit
// alone fails then.
func TestMountsThatAreDenied(t *testing.T) {
	t.Parallel()
	b := newSameBytes(t, `{"host": "`+endpoints(t)[0]+`"}`)
	b.Inject(registrytest.Rule{Method: http.MethodPost, Fault: denyMounts})
	b.writeLayer(t, "big", 3*mebibyte)
	b.sent = b.CountUploads()
	b.up(t, 2, false, "denied", func(n int) string {
		return "FROM scratch\nCOPY big /\n" + b.appLayer(n)
	})
	if sent := b.sent.Load(); sent < 2*3*mebibyte || sent > 2*3*mebibyte+mebibyte/2 {
		t.Errorf("%d bytes were sent", sent)
	}
}

// denyMounts refuses mounts with 403, as registries do whose users may not pull from everywhere.
func denyMounts(w http.ResponseWriter, req *http.Request, next http.Handler) {
	if req.URL.Query().Has("mount") {
		registrytest.Refuse(w, http.StatusForbidden, "DENIED", "requested access to the resource is denied")
		return
	}
	next.ServeHTTP(w, req)
}

// appLayer returns the step of a small layer that no other image has, not even one of another test.
func (b *sameBytes) appLayer(n int) string {
	return fmt.Sprintf("COPY <<EOF /app\n%s %d\nEOF\n", b.dir, n)
}

// writeLayer writes the file of a new layer.
func (b *sameBytes) writeLayer(t *testing.T, name string, bytes int) {
	t.Helper()
	content := make([]byte, bytes)
	_, _ = rand.Read(content)
	if err := os.WriteFile(filepath.Join(b.dir, name), content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// countEndedUploads returns how many uploads were ended that nobody wants to finish.
func (b *sameBytes) countEndedUploads() (count int) {
	for _, r := range b.Requests() {
		if r.Method == http.MethodDelete && r.Status == http.StatusNoContent {
			count++
		}
	}
	return count
}

// A push gets a layer of another one as soon as it is in the registry, while that push still sends another layer.
func TestNobodyWaitsForTheRestOfAPush(t *testing.T) {
	t.Parallel()
	embedded.Endpoint(t)
	b := newSameBytes(t, `{"host": "local://"}`)
	b.writeLayer(t, "big", mebibyte)
	b.writeLayer(t, "own", 3*mebibyte)
	begun, release := make(chan struct{}), make(chan struct{})
	b.Inject(registrytest.Rule{Method: http.MethodPut, Path: "/slow/", Fault: func(
		w http.ResponseWriter, req *http.Request, next http.Handler,
	) {
		if req.ContentLength > 2*mebibyte {
			close(begun)
			<-release
		}
		next.ServeHTTP(w, req)
	}})
	b.sent = b.CountUploads()
	const quick = "FROM scratch\nCOPY big /\n"
	b.check(t, "quick", quick)
	var running sync.WaitGroup
	running.Go(func() { b.create(t, "slow", quick+"COPY own /\n") })
	<-begun
	done := make(chan struct{})
	running.Go(func() { b.create(t, "quick", quick); close(done) })
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Error("a push waits for a layer that it does not have")
	}
	close(release)
	running.Wait()
	if sent := b.sent.Load(); sent > 4*mebibyte+mebibyte/2 {
		t.Errorf("%d bytes were sent", sent)
	}
}

// A layer that several images build is sent once. That holds for images that are pushed at the same time too, if the
// registry throttles, and over plain HTTP. A registry that does not mount gets it from each of them.
func TestEqualLayersAreSentOnce(t *testing.T) {
	const images = 4
	embedded.Endpoint(t)
	t.Setenv("PULUMI_BUILDKIT_DAEMON_IDLE", "1s")
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1") // which is not for loopback
	const zstd = `, "exports": [{"image": {"compression": "zstd"}}]`
	deny := registrytest.Rule{Method: http.MethodPost, Fault: denyMounts}
	refuseAllBut := func(repository string) registrytest.Rule {
		return registrytest.Rule{Method: http.MethodPost, Fault: registrytest.MountOnlyFrom(repository)}
	}
	busy := registrytest.Status(http.StatusTooManyRequests, "TOOMANYREQUESTS", "slow down", "")
	for name, test := range map[string]struct { //nolint:paralleltest // they share the environment
		oneByOne bool
		more     string // inputs; HOST stands for that of the registry
		rule     registrytest.Rule
		copies   int64 // of the layer that the registry gets at most
		ended    bool  // uploads that the registry began instead of a mount were ended
	}{
		"at once":        {copies: 1},
		"at once, plain": {copies: 1, more: `, "registries": [{"address": "HOST", "insecure": true}]`},
		// BuildKit does not mount zstd by itself.
		"one after another":       {copies: 1, oneByOne: true, more: zstd},
		"one after another, some": {copies: 2, oneByOne: true, more: zstd, rule: refuseAllBut("app-1"), ended: true},
		"at once, zstd":           {copies: 1, more: zstd},
		"at once, refused":        {copies: images, rule: refuseAllBut("none"), ended: true},
		"at once, denied":         {copies: images, rule: deny},
		"at once, throttled": {
			copies: 1, rule: registrytest.Rule{Method: http.MethodPost, Times: 3, Fault: busy},
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newSameBytes(t, `{"host": "local://"}`)
			b.more = strings.ReplaceAll(test.more, "HOST", b.Host())
			b.writeLayer(t, "big", 3*mebibyte)
			if test.rule.Fault != nil {
				b.Inject(test.rule)
			}
			b.sent = b.CountUploads()
			b.check(t, "another", "FROM scratch\nCOPY big /\n") // the engine asks for several images
			b.up(t, images, !test.oneByOne, "app", func(n int) string {
				return "FROM scratch\nCOPY big /\n" + b.appLayer(n)
			})
			sent, least, most := b.sent.Load(), int64(3*mebibyte), test.copies*3*mebibyte+mebibyte/2
			if sent < least || sent > most {
				t.Errorf("%d bytes were sent, want %d to %d", sent, least, most)
			}
			if ended := b.countEndedUploads(); (ended > 0) != test.ended || ended > images*2 {
				t.Errorf("%d uploads were ended", ended)
			}
			if log := b.wire.logText(); strings.Contains(log, "127.83.66.1") {
				t.Errorf("the log names the gate: %s", log)
			}
		})
	}
}
