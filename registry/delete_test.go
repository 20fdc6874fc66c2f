package registry_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

func TestDeleteTag(t *testing.T) {
	t.Parallel()
	r := registrytest.New(t)
	image := registrytest.Image(t, "linux/amd64")
	digest := r.Push(t, "app:1", image)
	r.Push(t, "app:2", image)
	client := anonymousClient(t)
	for i, want := range []bool{true, false} {
		deleted, err := client.DeleteTag(t.Context(), parseTag(t, r.Host()+"/app:1"), digest)
		if err != nil || deleted != want {
			t.Errorf("call %d: deleted %t, %v", i, deleted, err)
		}
	}
	if _, err := client.Resolve(t.Context(), parseTag(t, r.Host()+"/app:1")); !errors.Is(err, fault.ErrNotFound) {
		t.Errorf("after it: %v", err)
	}
	if held, err := client.Resolve(t.Context(), parseTag(t, r.Host()+"/app:2")); held != digest {
		t.Errorf("the other tag holds %s, %v", held, err)
	}
}

func TestDeleteTagKeepsOtherImages(t *testing.T) {
	t.Parallel()
	r := registrytest.New(t)
	ours := r.Push(t, "app:1", registrytest.Image(t, "linux/amd64"))
	theirs := r.Push(t, "app:1", registrytest.Image(t, "linux/amd64"))
	tag := parseTag(t, r.Host()+"/app:1")
	client := anonymousClient(t)
	if deleted, err := client.DeleteTag(t.Context(), tag, ours); deleted || err != nil {
		t.Errorf("deleted %t, %v", deleted, err)
	}
	if held, err := client.Resolve(t.Context(), tag); held != theirs {
		t.Errorf("%s holds %s, %v", tag, held, err)
	}
	if countRequests(r, http.MethodDelete) > 0 {
		t.Error("a DELETE was sent")
	}
}

func TestDeleteTagThatVanishesMeanwhile(t *testing.T) {
	t.Parallel()
	r := registrytest.New(t)
	digest := r.Push(t, "app:1", registrytest.Image(t, "linux/amd64"))
	r.Wrap(registrytest.Intercept(http.MethodDelete, "/1", refuse(http.StatusNotFound, "MANIFEST_UNKNOWN",
		"manifest unknown")))
	deleted, err := anonymousClient(t).DeleteTag(t.Context(), parseTag(t, r.Host()+"/app:1"), digest)
	if deleted || err != nil {
		t.Errorf("deleted %t, %v", deleted, err)
	}
}

func TestDeleteTagUnsupported(t *testing.T) {
	t.Parallel()
	tests := map[string]http.HandlerFunc{
		"not allowed":  refuse(http.StatusMethodNotAllowed, "UNSUPPORTED", "The operation is unsupported."),
		"digests only": refuse(http.StatusBadRequest, "DIGEST_INVALID", "The operation is unsupported."),
	}
	for name, broken := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := registrytest.New(t)
			digest := r.Push(t, "app:1", registrytest.Image(t, "linux/amd64"))
			r.Wrap(registrytest.Intercept(http.MethodDelete, "", broken))
			tag := parseTag(t, r.Host()+"/app:1")
			deleted, err := anonymousClient(t).DeleteTag(t.Context(), tag, digest)
			expectError(t, err, fault.ErrUnsupported, "deleting "+tag.String()+": unsupported by the registry: The "+
				"operation is unsupported.", fault.TagsNotDeleted)
			if deleted {
				t.Error("deleted")
			}
			if held, err := anonymousClient(t).Resolve(t.Context(), tag); held != digest {
				t.Errorf("%s holds %s, %v", tag, held, err)
			}
		})
	}
}

func TestDeleteTagReportsWhatFailed(t *testing.T) {
	t.Parallel()
	for _, method := range []string{http.MethodHead, http.MethodDelete} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			r := registrytest.New(t)
			digest := r.Push(t, "app:1", registrytest.Image(t, "linux/amd64"))
			r.Wrap(registrytest.Intercept(method, "/1", refuse(http.StatusInternalServerError, "UNKNOWN",
				"disk full")))
			deleted, err := anonymousClient(t).DeleteTag(t.Context(), parseTag(t, r.Host()+"/app:1"), digest)
			if deleted || err == nil {
				t.Errorf("deleted %t, %v", deleted, err)
			}
		})
	}
}
