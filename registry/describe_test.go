package registry_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

func describe(t *testing.T, ref string) (registry.Description, error) {
	t.Helper()
	parsed, err := registry.ParseReference(ref)
	if err != nil {
		t.Fatal(err)
	}
	return anonymousClient(t).Describe(t.Context(), parsed)
}

// Referrers come from the API of the specification, page by page, or from the tag that stands for it.
func TestDescribeReferrers(t *testing.T) {
	t.Parallel()
	const listed = `{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [{
		"mediaType": "application/vnd.oci.image.manifest.v1+json", "size": 5, "artifactType": "application/TYPE",
		"digest": "sha256:DIGEST", "annotations": {"a": "TYPE"}}]}`
	page := func(kind string, digest ...string) string {
		hex := strings.TrimPrefix(strings.Join(append(digest, strings.Repeat("a", 64)), ":"), "sha256:")[:64]
		return strings.NewReplacer("TYPE", kind, "DIGEST", hex).Replace(listed)
	}
	for name, test := range map[string]struct {
		api  http.HandlerFunc
		tag  bool
		want string
		is   error
	}{
		"none":     {nil, false, "", nil},
		"by a tag": {nil, true, "application/tagged", nil},
		"by the API": {func(w http.ResponseWriter, req *http.Request) {
			if req.URL.RawQuery == "" {
				w.Header().Set("Link", `<`+req.URL.Path+`?page=2>; rel="next"`)
				_, _ = w.Write([]byte(page("one")))
				return
			}
			_, _ = w.Write([]byte(page("two")))
		}, true, "application/one application/two", nil},
		"denied, with a tag": {refuse(http.StatusForbidden, "DENIED", "no"), true, "application/tagged", nil},
		"denied":             {refuse(http.StatusForbidden, "DENIED", "no"), false, "", fault.ErrDenied},
		"unauthorized":       {refuse(http.StatusUnauthorized, "UNAUTHORIZED", "no"), false, "", fault.ErrUnauthorized},
		"broken":             {refuse(http.StatusInternalServerError, "X", "no"), true, "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := registrytest.New(t)
			digest := r.Push(t, "app:1", registrytest.Index(t, "linux/amd64"))
			if test.tag {
				tagged := raw{page("tagged", digest), types.OCIImageIndex}
				r.Push(t, "app:"+strings.ReplaceAll(digest, ":", "-"), tagged)
			}
			if test.api != nil {
				r.Wrap(registrytest.Intercept(http.MethodGet, "/referrers/"+digest, test.api))
			}
			got, err := describe(t, r.Host()+"/app:1")
			if name == "broken" {
				if err == nil || !strings.Contains(err.Error(), "/app:1: what refers to it: ") {
					t.Errorf("got %v", err)
				}
				return
			}
			var kinds []string
			for _, referrer := range got.Referrers {
				kinds = append(kinds, referrer.ArtifactType)
			}
			if err != nil || strings.Join(kinds, " ") != test.want || got.Digest != digest ||
				!errors.Is(got.ReferrersErr, test.is) {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

func TestDescribe(t *testing.T) {
	t.Parallel()
	r := registrytest.New(t)
	image := registrytest.Image(t, "linux/arm64")
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	config.Config.User, config.Config.Env = "app", []string{"TOKEN=canary"}
	if image, err = mutate.ConfigFile(image, config); err != nil {
		t.Fatal(err)
	}
	digest := r.Push(t, "app:1", image)
	for _, ref := range []string{r.Host() + "/app:1", r.Host() + "/app@" + digest} {
		got, err := describe(t, ref)
		text, _ := json.Marshal(got)
		if err != nil || len(got.Platforms) != 1 || got.Platforms[0].Platform != "linux/arm64" ||
			got.Platforms[0].Config.User != "app" || got.MediaType != string(types.OCIManifestSchema1) {
			t.Errorf("got %s, %v", text, err)
		}
	}
	_, err = describe(t, r.Host()+"/app:2")
	expectError(t, err, fault.ErrNotFound, "reading "+r.Host()+"/app:2: not found: manifest unknown")
}
