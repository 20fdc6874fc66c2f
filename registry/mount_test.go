package registry_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// countAnswers returns how many requests of a method with a part of a path were answered with a status.
func countAnswers(r *registrytest.Registry, method, path string, status int) (count int) {
	for _, q := range r.Requests() {
		if q.Method == method && strings.Contains(q.Path, path) && q.Status == status {
			count++
		}
	}
	return count
}

// The layers of an image are mounted, of an index those of the platform. What the repository has is not asked for, and
// other clients ask for no manifest again.
func TestMountLayers(t *testing.T) {
	t.Parallel()
	r := registrytest.New(t)
	digest := r.Push(t, "base", registrytest.Index(t, "linux/amd64", "linux/arm/v7"))
	r.AskForTokens("", "u", "p")
	mounts := &registry.Mounts{}
	mountInto := func(repository, platform string) ([]string, error) {
		login := registry.Login{Address: r.Host(), Username: "u", Password: "p"}
		return singleTryClient(dockerKeychain(t, `{}`, login)).MountLayers(t.Context(), mounts, registry.MountRequest{
			Repository: r.Host() + "/" + repository, From: r.Host() + "/base", Digest: digest, Platform: platform,
		})
	}
	for _, test := range []struct {
		repository, platform string
		mounts               int // so far
	}{
		{"app", "linux/amd64", 2}, {"app", "linux/amd64", 2}, {"app", "linux/arm/v7", 4}, {"other", "linux/amd64", 6},
	} {
		layers, err := mountInto(test.repository, test.platform)
		mounts := countAnswers(r, http.MethodPost, "/blobs/uploads/", http.StatusCreated)
		if err != nil || len(layers) != 2 || mounts != test.mounts {
			t.Errorf("%v: it has %v, %d were mounted so far, %v", test, layers, mounts, err)
		}
	}
	if got := countAnswers(r, http.MethodGet, "/manifests/", http.StatusOK); got != 2+2 {
		t.Errorf("%d manifests were read", got) // by the second client the index again, for the other platform
	}
	if _, err := mountInto("app", "linux/s390x"); err == nil || errors.Is(err, registry.ErrNotMounted) {
		t.Errorf("a platform that is missing: %v", err)
	}
}

// A registry that does not mount from a repository is asked once, and the upload that it begins is ended. It is asked
// again for another repository. A failure of one request says nothing about the next one.
func TestMountRefused(t *testing.T) {
	t.Parallel()
	r := registrytest.New(t)
	digests := map[string]string{}
	for _, name := range []string{"base", "shared"} {
		digests[name] = r.Push(t, name, registrytest.Image(t, "linux/amd64"))
	}
	before := countAnswers(r, http.MethodPost, "/blobs/uploads/", http.StatusAccepted)
	r.Inject(registrytest.Rule{Method: http.MethodPost, Fault: registrytest.MountOnlyFrom("shared")})
	r.Inject(registrytest.Rule{Method: http.MethodPost, Times: 1, Fault: broken})
	mounts := &registry.Mounts{}
	mount := func(repository, from string) error {
		_, err := anonymousClient(t).MountLayers(t.Context(), mounts, registry.MountRequest{
			Repository: r.Host() + "/" + repository, From: r.Host() + "/" + from, Digest: digests[from],
		})
		return err
	}
	if err := mount("app", "base"); err == nil || errors.Is(err, registry.ErrNotMounted) {
		t.Errorf("a mount that fails: %v", err)
	}
	for _, repository := range []string{"app", "app", "other"} {
		if err := mount(repository, "base"); !errors.Is(err, registry.ErrNotMounted) {
			t.Errorf("a mount into %s: %v", repository, err)
		}
	}
	if err := mount("app", "shared"); err != nil {
		t.Error(err)
	}
	begun := countAnswers(r, http.MethodPost, "/blobs/uploads/", http.StatusAccepted) - before
	ended := countAnswers(r, http.MethodDelete, "/blobs/uploads/", http.StatusNoContent)
	if begun != 1 || ended != 1 {
		t.Errorf("%d uploads were begun, %d ended", begun, ended)
	}
}

// Amazon ECR mounts if its setting says so. Otherwise it begins an upload that nobody can end, and that is no error.
func TestMountInECR(t *testing.T) {
	t.Parallel()
	for _, blobMounting := range []bool{true, false} {
		e := registrytest.NewECR(t)
		e.Repository("base", "")
		e.Repository("app", "")
		digest := e.Push(t, "base", registrytest.Image(t, "linux/amd64"))
		if !blobMounting {
			e.Inject(registrytest.Rule{Method: http.MethodPost, Path: "/v2/", Fault: registrytest.MountOnlyFrom()})
		}
		client := singleTryClient(amazonKeychain(t, e, "one"))
		layers, err := client.MountLayers(t.Context(), &registry.Mounts{}, registry.MountRequest{
			Repository: e.Host() + "/app", From: e.Host() + "/base", Digest: digest,
		})
		mounted, refused := err == nil && len(layers) == 2, errors.Is(err, registry.ErrNotMounted)
		if mounted != blobMounting || refused == blobMounting {
			t.Errorf("blob mounting %t: the layers %v were mounted, %v", blobMounting, layers, err)
		}
		if has, err := client.HasBlob(t.Context(), e.Host()+"/base", digest); err != nil || has {
			t.Errorf("the repository has its manifest as a blob: %t, %v", has, err)
		}
	}
}
