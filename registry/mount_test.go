package registry_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"

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

// A registry that does not mount is asked once for each repository that is to have the layers, and for three of them at
// most. The upload that it begins is ended. A failure of one request says nothing about the next one.
func TestMountRefused(t *testing.T) {
	t.Parallel()
	r := registrytest.New(t)
	digests := map[string]string{}
	for _, name := range []string{"base", "shared", "mixed"} {
		digests[name] = r.Push(t, name, registrytest.Image(t, "linux/amd64"))
	}
	before := countAnswers(r, http.MethodPost, "/blobs/uploads/", http.StatusAccepted)
	r.Inject(registrytest.Rule{Method: http.MethodPost, Fault: registrytest.MountOnlyFrom("shared", "mixed")})
	r.Inject(registrytest.Rule{Method: http.MethodPost, Times: 1, Fault: broken})
	r.Inject(registrytest.Rule{
		Method: http.MethodPost, Path: "/odd/", Fault: registrytest.Status(http.StatusForbidden, "DENIED", "no", ""),
	})
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
	for _, repository := range []string{"app", "app", "second", "third", "fourth"} {
		if err := mount(repository, "base"); !errors.Is(err, registry.ErrNotMounted) {
			t.Errorf("a mount into %s: %v", repository, err)
		}
	}
	if !mounts.RefusesAll(r.Host()) {
		t.Error("the registry is thought to mount")
	}
	if err := mount("odd", "shared"); !errors.Is(err, registry.ErrNotMounted) {
		t.Errorf("a mount that is denied: %v", err)
	}
	if err := mount("app", "shared"); err != nil || mounts.RefusesAll(r.Host()) {
		t.Errorf("after a refusal elsewhere: %v, refused: %t", err, mounts.RefusesAll(r.Host()))
	}
	begun := countAnswers(r, http.MethodPost, "/blobs/uploads/", http.StatusAccepted) - before
	ended := countAnswers(r, http.MethodDelete, "/blobs/uploads/", http.StatusNoContent)
	if begun != 2 || ended != 2 { // for the second and the third one
		t.Errorf("%d uploads were begun, %d ended", begun, ended)
	}
}

// A registry that fails to mount without end is asked once. A caller that waits for the bytes learns that at once.
func TestMountFails(t *testing.T) {
	t.Parallel()
	r := registrytest.New(t)
	base := registrytest.Image(t, "linux/amd64")
	r.Push(t, "base", base)
	digest := layersOf(t, base)[0]
	asked := len(r.Requests())
	r.Inject(registrytest.Rule{Method: http.MethodPost, Fault: registrytest.Status(
		http.StatusServiceUnavailable, "UNAVAILABLE", "later", "")})
	mounts, began := &registry.Mounts{}, time.Now()
	client := registry.New(dockerKeychain(t, `{}`), registry.Options{Budget: time.Minute})
	for n := range 3 {
		err := client.MountLayer(t.Context(), mounts, r.Host()+"/app", r.Host()+"/base", digest)
		if err == nil || errors.Is(err, registry.ErrNotMounted) != (n > 0) {
			t.Errorf("mount %d: %v", n, err)
		}
	}
	tries := 0
	for _, q := range r.Requests()[asked:] {
		if q.Method == http.MethodPost {
			tries++
		}
	}
	if took := time.Since(began); tries != 1 || took > 5*time.Second || !mounts.RefusesAll(r.Host()) {
		t.Errorf("%d tries took %s", tries, took)
	}
}

// layersOf returns the digests of the layers of an image.
func layersOf(t *testing.T, image v1.Image) (digests []string) {
	t.Helper()
	manifest, err := image.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	for _, layer := range manifest.Layers {
		digests = append(digests, layer.Digest.String())
	}
	return digests
}

// Images that begin at once ask once: for the manifest, and whether the registry mounts. One layer that is refused does
// not stop the others.
func TestMountsAtOnce(t *testing.T) {
	t.Parallel()
	r := registrytest.New(t)
	digest := r.Push(t, "base", registrytest.Image(t, "linux/amd64"))
	many, err := random.Image(100, 5)
	if err != nil {
		t.Fatal(err)
	}
	manyDigest, layers := r.Push(t, "many", many), layersOf(t, many)
	r.Inject(registrytest.Rule{Method: http.MethodPost, Fault: func(
		w http.ResponseWriter, req *http.Request, next http.Handler,
	) {
		query := req.URL.Query()
		if query.Get("from") == "base" || query.Get("mount") == layers[2] {
			registrytest.Refuse(w, http.StatusForbidden, "DENIED", "no")
			return
		}
		<-time.After(50 * time.Millisecond)
		next.ServeHTTP(w, req)
	}})
	mounts, client := &registry.Mounts{}, anonymousClient(t)
	var group sync.WaitGroup
	for n := range 8 {
		group.Go(func() {
			_, err := client.MountLayers(t.Context(), mounts, registry.MountRequest{
				Repository: fmt.Sprintf("%s/app-%d", r.Host(), n), From: r.Host() + "/base", Digest: digest,
			})
			if !errors.Is(err, registry.ErrNotMounted) {
				t.Error(err)
			}
		})
	}
	group.Wait()
	read := countAnswers(r, http.MethodGet, "/base/manifests/", http.StatusOK)
	if denied := countAnswers(r, http.MethodPost, "/uploads/", http.StatusForbidden); read != 1 || denied != 3+1 {
		t.Errorf("the manifest was read %d times, and %d mounts were denied", read, denied) // with a second try
	}
	mounted, err := client.MountLayers(t.Context(), mounts, registry.MountRequest{
		Repository: r.Host() + "/app", From: r.Host() + "/many", Digest: manyDigest,
	})
	if len(mounted) != 4 || !errors.Is(err, registry.ErrNotMounted) {
		t.Errorf("the layers %v were mounted, %v", mounted, err)
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
