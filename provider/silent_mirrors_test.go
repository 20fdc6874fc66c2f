package provider

import (
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// silentListener accepts connections and answers nothing.
type silentListener struct {
	address  string
	accepted atomic.Int32
}

// listenSilently starts a silent listener, which ends with the test.
func listenSilently(t *testing.T) *silentListener {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &silentListener{address: listener.Addr().String()}
	var group sync.WaitGroup
	group.Go(func() {
		var open []net.Conn
		defer func() {
			for _, conn := range open {
				_ = conn.Close()
			}
		}()
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			s.accepted.Add(1)
			open = append(open, conn)
		}
	})
	t.Cleanup(group.Wait)
	t.Cleanup(func() { _ = listener.Close() })
	return s
}

// checkPull checks an image on a base image, with pull and with more inputs.
func (w *wire) checkPull(t *testing.T, base, more string) *pulumirpc.CheckResponse {
	t.Helper()
	inputs := props(t, `{"pull": true, "context": {"location": "`+t.TempDir()+`"}, `+more+`
		"dockerfile": {"inline": "FROM `+base+`\n"}}`)
	res, err := w.Check(t.Context(), &pulumirpc.CheckRequest{Urn: string(urn), News: marshalProperties(t, inputs)})
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// baseDigest returns the digest that Check finds for a base image.
func (w *wire) baseDigest(t *testing.T, base, more string) string {
	t.Helper()
	res := w.checkPull(t, base, more)
	if len(res.GetFailures()) > 0 {
		t.Fatal(res.GetFailures())
	}
	return text(unmarshalProperties(t, res.GetInputs()).Get("baseDigests").AsMap(), base)
}

// Of several images only the first waits for a mirror that does not answer, and one warning names that mirror.
func TestOneImageWaitsForASilentMirror(t *testing.T) {
	t.Parallel()
	origin, mirror := registrytest.New(t), registrytest.New(t)
	digest := origin.Push(t, "base:1", registrytest.Image(t, "linux/amd64"))
	silent, limit := listenSilently(t), 2*time.Second
	s := &settings{registry: registry.Options{Timeout: limit}}
	w := dial(t, newProvider(s), `{"host": "local://", "mirrors": {
		"`+origin.Host()+`": ["`+silent.address+`", "`+mirror.Host()+`"]}}`)
	base := origin.Host() + "/base:1"
	if got := w.baseDigest(t, base, ""); got != digest {
		t.Errorf("got %q, want %s", got, digest)
	}
	asked, began := silent.accepted.Load(), time.Now()
	if asked == 0 {
		t.Error("the silent mirror was not asked")
	}
	for range 5 {
		if got := w.baseDigest(t, base, ""); got != digest {
			t.Errorf("got %q, want %s", got, digest)
		}
	}
	if again := silent.accepted.Load(); again != asked || time.Since(began) > limit {
		t.Errorf("asked again: %d connections and then %d, in %s", asked, again, time.Since(began))
	}
	want := "WARNING pull: mirror " + silent.address + ": GET /v2/: unreachable: no answer from " + silent.address +
		" within 2s; check the network and try again; " + origin.Host() + " is asked instead"
	if log := w.logText(); strings.Count(log, want) != 1 || strings.Count(log, "WARNING pull: ") != 1 {
		t.Errorf("the log does not name the mirror once: %s", log)
	}
	if !hasRequest(mirror, "/v2/base/manifests/1", 404) || len(mirror.Requests()) < 6 {
		t.Errorf("the next mirror was not asked for each image: %v", mirror.Requests())
	}

	s.silentMirrors.until[silent.address] = time.Now() // the time is over
	if w.baseDigest(t, base, ""); silent.accepted.Load() == asked {
		t.Error("the mirror is never asked again")
	}
}
