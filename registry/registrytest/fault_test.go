package registrytest_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/opencontainers/go-digest"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

func TestRules(t *testing.T) {
	t.Parallel()
	r := registrytest.New(t)
	manifest, _ := registrytest.Image(t, "linux/amd64").RawManifest()
	r.Inject(registrytest.Rule{Method: http.MethodGet, Path: "/manifests/", Times: 2,
		Fault: registrytest.Status(http.StatusTooManyRequests, "TOOMANYREQUESTS", "no", "7")})
	for i, want := range []int{429, 429, 404} {
		if got, _ := send(t, r, authn.Anonymous, http.MethodGet, "/v2/app/manifests/1", ""); got != want {
			t.Errorf("request %d: %d, want %d", i, got, want)
		}
	}
	r.Inject(registrytest.Rule{Method: http.MethodPut, Fault: registrytest.Lose})
	for path, want := range map[string]int{"/v2/app/manifests/1": http.StatusCreated,
		"/v2/app/blobs/uploads/1": http.StatusCreated} {
		if got, _ := send(t, r, authn.Anonymous, http.MethodPut, path, string(manifest)); got != want {
			t.Errorf("%s: %d, want %d", path, got, want)
		}
	}
	if got, _ := send(t, r, authn.Anonymous, http.MethodGet, "/v2/app/manifests/1", ""); got != http.StatusNotFound {
		t.Errorf("what was lost is there: %d", got)
	}
}

// sendRequest sends one request and reads its answer.
func sendRequest(ctx context.Context, r *registrytest.Registry, method, path, content string) (http.Header, string,
	error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+r.Host()+path, strings.NewReader(content))
	if err != nil {
		return nil, "", err
	}
	req.Header.Set("Accept", acceptedTypes)
	// A connection of its own: Go's client repeats a request by itself when an old one breaks.
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp.Header, string(body), err
}

func TestBrokenConnections(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("x", 8<<20)
	tests := map[string]struct {
		fault registrytest.Fault
		want  []error
	}{
		"reset":        {registrytest.Reset(100), []error{syscall.ECONNRESET, syscall.EPIPE, net.ErrClosed}},
		"reset answer": {registrytest.ResetAnswer(100), []error{syscall.ECONNRESET, io.ErrUnexpectedEOF}},
		"closed":       {registrytest.CloseConnection, []error{io.EOF}},
		"stalled":      {registrytest.Stall, []error{context.DeadlineExceeded}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := registrytest.New(t)
			digest := r.Push(t, "app:1", registrytest.Image(t, "linux/amd64"))
			r.Inject(registrytest.Rule{Fault: test.fault})
			ctx, stop := context.WithTimeout(t.Context(), 500*time.Millisecond)
			defer stop()
			method, content := http.MethodPost, large
			if name == "reset answer" || name == "closed" {
				method, content = http.MethodGet, ""
			}
			_, body, err := sendRequest(ctx, r, method, "/v2/app/manifests/"+digest, content)
			for _, want := range test.want {
				if errors.Is(err, want) {
					return
				}
			}
			t.Errorf("%d bytes, %v", len(body), err)
		})
	}
}

func TestWrongDigest(t *testing.T) {
	t.Parallel()
	r := registrytest.New(t)
	want := r.Push(t, "app:1", registrytest.Image(t, "linux/amd64"))
	other := "sha256:" + strings.Repeat("0", 64)
	r.Inject(registrytest.Rule{Fault: registrytest.Digest(other)})
	header, body, err := sendRequest(t.Context(), r, http.MethodGet, "/v2/app/manifests/1", "")
	if err != nil {
		t.Fatal(err)
	}
	if got := header.Get("Docker-Content-Digest"); got != other || digest.FromString(body).String() != want {
		t.Errorf("%s over %s", got, digest.FromString(body))
	}
}
