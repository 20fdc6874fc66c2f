package registrytest_test

import (
	"bytes"
	"net/http"
	"os"
	"slices"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

func TestPushAndPull(t *testing.T) {
	t.Parallel()
	for place, options := range map[string][]registrytest.Option{
		"memory": nil,
		"folder": {registrytest.Folder(t.TempDir())},
	} {
		t.Run(place, func(t *testing.T) {
			t.Parallel()
			r := registrytest.New(t, options...)
			want := r.Push(t, "app:1", registrytest.Index(t, "linux/amd64", "linux/arm/v7"))
			reference, err := name.ParseReference(r.Host() + "/app:1")
			if err != nil {
				t.Fatal(err)
			}
			index, err := remote.Index(reference)
			if err != nil {
				t.Fatal(err)
			}
			if got, _ := index.Digest(); got.String() != want {
				t.Errorf("got %s, want %s", got, want)
			}
			last := registrytest.Request{Method: http.MethodGet, Path: "/v2/app/manifests/1", Status: http.StatusOK}
			if !slices.Contains(r.Requests(), last) {
				t.Errorf("no %v in %v", last, r.Requests())
			}
		})
	}
}

func TestLogin(t *testing.T) {
	t.Parallel()
	r := registrytest.New(t, registrytest.Login("me", "secret"))
	r.Push(t, "app:1", registrytest.Image(t, "linux/amd64"))
	reference, err := name.ParseReference(r.Host() + "/app:1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := remote.Head(reference); err == nil {
		t.Error("served without a login")
	}
}

// TestStartTwice is about distribution's global state, and about what it prints.
//
//nolint:paralleltest // it looks at the standard error of the process
func TestStartTwice(t *testing.T) {
	file, err := os.CreateTemp(t.TempDir(), "stderr")
	if err != nil {
		t.Fatal(err)
	}
	stderr := os.Stderr
	os.Stderr = file
	one, other := registrytest.New(t), registrytest.New(t)
	one.Push(t, "app:1", registrytest.Image(t, "linux/amd64"))
	os.Stderr = stderr
	printed, err := os.ReadFile(file.Name())
	if err != nil || len(bytes.TrimSpace(printed)) > 0 {
		t.Errorf("printed %s, %v", printed, err)
	}
	if requests := other.Requests(); len(requests) > 0 {
		t.Errorf("the other registry was asked: %v", requests)
	}
}

func TestStartTakesNoForeignPort(t *testing.T) {
	t.Parallel()
	r := registrytest.New(t)
	if other, err := registrytest.Start(r.Host()); err == nil {
		_ = other.Close()
		t.Error("started on a port in use")
	}
}

func TestIntercept(t *testing.T) {
	t.Parallel()
	r := registrytest.New(t)
	r.Wrap(registrytest.Intercept(http.MethodGet, "/v2/", func(w http.ResponseWriter, _ *http.Request) {
		registrytest.Refuse(w, http.StatusTeapot, "UNKNOWN", "no coffee")
	}))
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+r.Host()+"/v2/", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusTeapot {
		t.Error(resp.Status)
	}
}
