package provider

import (
	"net/http"
	"strings"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// If a registry deletes no tags, such as Docker Hub and ghcr.io, the error has a remedy, once for all tags.
func TestDeleteOfUndeletableTagsHasARemedy(t *testing.T) {
	t.Parallel()
	const unsupported = "deleting HOST/app:v1: unsupported by the registry: The operation is unsupported.; delete it " +
		"with the tools of HOST\n" +
		"deleting HOST/app:latest: unsupported by the registry: The operation is unsupported.; delete it with the " +
		"tools of HOST"
	const way = "; or leave what is tagged there: set the resource option retainOnDelete: true, run pulumi up, and " +
		"then destroy"
	for _, test := range []struct {
		status              int
		code, message, want string
		leads               bool
	}{
		{http.StatusMethodNotAllowed, "UNSUPPORTED", "The operation is unsupported.", unsupported, true},
		{http.StatusForbidden, "DENIED", "no delete:packages", "deleting HOST/app:v1: 403 denied: no delete:packages",
			true},
		{http.StatusBadRequest, "UNKNOWN", "no", "deleting HOST/app:v1: 400 no", false},
	} {
		t.Run(test.code, func(t *testing.T) {
			t.Parallel()
			r, req := pushImage(t)
			r.Wrap(registrytest.Intercept(http.MethodDelete, "", func(w http.ResponseWriter, _ *http.Request) {
				registrytest.Refuse(w, test.status, test.code, test.message)
			}))
			err := r.deleteLater(t, req)
			if err == nil || !strings.Contains(err.Error(), strings.ReplaceAll(test.want, "HOST", r.Host())) ||
				strings.HasSuffix(err.Error(), way) != test.leads ||
				strings.Count(err.Error(), way) > 1 {
				t.Errorf("got %v", err)
			}
			if r.digestOf(t, "app:v1") != r.digest {
				t.Error("the tag is gone")
			}
		})
	}
}
