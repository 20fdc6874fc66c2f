package registry_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// After Prepare, an image is verified and tagged with the requests that have to follow the push, and no others. A tag
// that holds the image already is looked at once more, and not written.
func TestPrepareLeavesNoOtherRequests(t *testing.T) {
	t.Parallel()
	r := registrytest.New(t)
	digest := r.Push(t, "app", registrytest.Image(t, "linux/amd64"))
	repository := r.Host() + "/app"
	tags := []registry.Tag{parseTag(t, repository+":1")}
	want := [][]string{
		{"GET manifests", "GET blobs", "PUT manifests", "GET manifests"}, // the manifest, its configuration, the tag
		{"GET manifests", "GET blobs", "HEAD manifests", "GET manifests"},
	}
	for _, want := range want {
		client := anonymousClient(t)
		client.Prepare(t.Context(), repository, tags)
		before := len(r.Requests())
		verifyAndTag(t, client, repository, digest, tags)
		var got []string
		for _, request := range r.Requests()[before:] {
			kind := strings.Split(request.Path, "/")
			got = append(got, request.Method+" "+kind[max(0, len(kind)-2)])
		}
		if strings.Join(got, ", ") != strings.Join(want, ", ") {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	}
}

// What Prepare could not do does not fail the calls after it: the registry may not have had the repository yet.
func TestAFailedPrepareIsForgotten(t *testing.T) {
	t.Parallel()
	for name, status := range map[string]int{"forbidden": http.StatusForbidden, "not found": http.StatusNotFound} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := registrytest.New(t)
			digest := r.Push(t, "app", registrytest.Image(t, "linux/amd64"))
			repository := r.Host() + "/app"
			tags := []registry.Tag{parseTag(t, repository+":1")}
			client := anonymousClient(t)
			client.Prepare(t.Context(), repository, tags)
			r.Inject(registrytest.Rule{
				Method: http.MethodGet, Path: "/manifests/", Times: 1,
				Fault: registrytest.Status(status, "DENIED", "no", ""),
			})
			verifyAndTag(t, client, repository, digest, tags)
		})
	}
	t.Run("no registry", func(t *testing.T) {
		t.Parallel()
		r := registrytest.New(t)
		digest := r.Push(t, "app", registrytest.Image(t, "linux/amd64"))
		repository := r.Host() + "/app"
		tags := []registry.Tag{parseTag(t, repository+":1")}
		r.Inject(registrytest.Rule{
			Method: http.MethodGet, Path: "/v2/", Times: 1,
			Fault: registrytest.Status(http.StatusInternalServerError, "UNKNOWN", "no", ""),
		})
		client := anonymousClient(t)
		client.Prepare(t.Context(), repository, tags)
		verifyAndTag(t, client, repository, digest, tags)
	})
}

// verifyAndTag does what follows a push.
func verifyAndTag(t *testing.T, client *registry.Client, repository, digest string, tags []registry.Tag) {
	t.Helper()
	if _, err := client.Verify(t.Context(), repository, digest, registry.Expected{}); err != nil {
		t.Error(err)
	}
	if moved, err := client.SetTags(t.Context(), repository, digest, tags); err != nil || len(moved) != len(tags) {
		t.Errorf("moved %v, %v", moved, err)
	}
}
