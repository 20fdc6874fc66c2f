package registry_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// expectedPlatforms returns what a build for these platforms gives.
func expectedPlatforms(platforms ...string) registry.Expected {
	return registry.Expected{Platforms: platforms}
}

// children returns the manifests of an index as Verify should describe them, without attestations.
func children(t *testing.T, index v1.ImageIndex) []registry.Manifest {
	t.Helper()
	listed, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	var want []registry.Manifest
	for _, child := range listed.Manifests {
		image, err := index.Image(child.Digest)
		if err != nil {
			t.Fatal(err)
		}
		if child.Platform.OS != "unknown" {
			want = append(want, registry.Manifest{Platform: child.Platform.String(), Digest: child.Digest.String(),
				Size: sizeOf(t, image)})
		}
	}
	return want
}

// sizeOf returns the size of an image in bytes.
func sizeOf(t *testing.T, image v1.Image) int64 {
	t.Helper()
	manifest, err := image.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	size := manifest.Config.Size
	for _, layer := range manifest.Layers {
		size += layer.Size
	}
	return size
}

func TestVerifyIndex(t *testing.T) {
	t.Parallel()
	r := registrytest.New(t)
	index := registrytest.Index(t, "linux/amd64", "linux/arm64", "linux/arm/v7")
	digest := r.Push(t, "team/app", index)
	got, err := anonymousClient(t).Verify(t.Context(), r.Host()+"/team/app", digest,
		expectedPlatforms("linux/amd64", "linux/arm64", "linux/arm/v7"))
	if err != nil {
		t.Fatal(err)
	}
	if got.Digest != digest || got.MediaType != "application/vnd.oci.image.index.v1+json" {
		t.Errorf("%s %s", got.Digest, got.MediaType)
	}
	if want := children(t, index); !slices.Equal(got.Manifests, want) {
		t.Errorf("got  %v\nwant %v", got.Manifests, want)
	}
	for _, path := range manifestPaths(t, index) {
		if !slices.Contains(r.Requests(), registrytest.Request{Method: http.MethodGet, Path: path,
			Status: http.StatusOK}) {
			t.Errorf("%s was not read", path)
		}
	}
}

// manifestPaths returns the paths of all manifests of an index, attestations included: Verify reads these too.
func manifestPaths(t *testing.T, index v1.ImageIndex) []string {
	t.Helper()
	listed, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, child := range listed.Manifests {
		paths = append(paths, "/v2/team/app/manifests/"+child.Digest.String())
	}
	return paths
}

func TestVerifySingleManifest(t *testing.T) {
	t.Parallel()
	for platform, want := range map[string]string{
		"linux/amd64": "linux/amd64", "linux/arm64/v8": "linux/arm64", "linux/arm": "linux/arm/v7",
		"windows/amd64": "windows/amd64",
	} {
		t.Run(platform, func(t *testing.T) {
			t.Parallel()
			r := registrytest.New(t)
			image := registrytest.Image(t, platform)
			digest := r.Push(t, "app", image)
			got, err := anonymousClient(t).Verify(t.Context(), r.Host()+"/app", digest, expectedPlatforms(want))
			if err != nil {
				t.Fatal(err)
			}
			manifest := registry.Manifest{Platform: want, Digest: digest, Size: sizeOf(t, image)}
			if got.MediaType != "application/vnd.oci.image.manifest.v1+json" ||
				!slices.Equal(got.Manifests, []registry.Manifest{manifest}) {
				t.Errorf("got %+v, want %+v", got, manifest)
			}
		})
	}
}

// TestVerifyConfiguration holds that Verify compares the platform of a single manifest, which is in a blob.
func TestVerifyConfiguration(t *testing.T) {
	t.Parallel()
	r := registrytest.New(t)
	image := registrytest.Image(t, "linux/amd64")
	digest := r.Push(t, "app", image)
	config, err := image.ConfigName()
	if err != nil {
		t.Fatal(err)
	}
	r.Wrap(registrytest.Intercept("", "/blobs/"+config.String(), func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{}`))
	}))
	_, err = anonymousClient(t).Verify(t.Context(), r.Host()+"/app", digest, registry.Expected{})
	expectError(t, err, fault.ErrMismatch, "verifying "+r.Host()+"/app@"+digest+": content mismatch: the registry "+
		"served "+
		"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a for "+config.String()+
		"")
}

// TestVerifyFaults holds that Verify notices a registry that took a push and does not serve it.
func TestVerifyFaults(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		which int // 0 is the index, 1 its first manifest
		fault http.HandlerFunc
		is    error
		want  string
	}{
		{
			"index not stored", 0, refuse(http.StatusNotFound, "MANIFEST_UNKNOWN", "manifest unknown"),
			fault.ErrNotFound,
			"verifying REF@INDEX: not found: manifest unknown",
		},
		{
			"child not stored", 1, refuse(http.StatusNotFound, "MANIFEST_UNKNOWN", "manifest unknown"),
			fault.ErrNotFound,
			"verifying REF@INDEX: its manifest for linux/amd64, CHILD: not found: manifest unknown",
		},
		{
			"other bytes", 0, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{}`)) },
			fault.ErrMismatch,
			"verifying REF@INDEX: content mismatch: the registry served " +
				"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a for INDEX",
		},
		{
			"a web page", 0, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`<html>`)) },
			fault.ErrMismatch,
			"verifying REF@INDEX: content mismatch: the registry served " +
				"sha256:b7d082ee12e91b756ea22e8513b8594eebcf5d39fab813da3cb55794dc888ad7 for INDEX",
		},
		{
			"child with other bytes", 1, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{}`)) },
			fault.ErrMismatch,
			"verifying REF@INDEX: its manifest for linux/amd64, CHILD: content mismatch: the registry served " +
				"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a for CHILD",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := registrytest.New(t)
			index := registrytest.Index(t, "linux/amd64", "linux/arm64")
			digests := []string{r.Push(t, "app", index), children(t, index)[0].Digest}
			r.Wrap(registrytest.Intercept(http.MethodGet, digests[test.which], test.fault))
			_, err := anonymousClient(t).Verify(t.Context(), r.Host()+"/app", digests[0],
				expectedPlatforms("linux/amd64", "linux/arm64"))
			want := strings.NewReplacer("REF", r.Host()+"/app", "INDEX", digests[0], "CHILD",
				digests[1]).Replace(test.want)
			expectError(t, err, test.is, want)
		})
	}
}

// TestVerifyWrongHeader holds that Verify refuses a wrong digest header, which an engine would believe when it resolves
// the tag.
func TestVerifyWrongHeader(t *testing.T) {
	t.Parallel()
	r := registrytest.New(t)
	digest := r.Push(t, "app", registrytest.Image(t, "linux/amd64"))
	other := "sha256:" + strings.Repeat("0", 64)
	r.Wrap(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			answer := httptest.NewRecorder()
			next.ServeHTTP(answer, req)
			w.Header().Set("Docker-Content-Digest", other)
			w.WriteHeader(answer.Code)
			_, _ = w.Write(answer.Body.Bytes())
		})
	})
	_, err := anonymousClient(t).Verify(t.Context(), r.Host()+"/app", digest, registry.Expected{})
	expectError(t, err, fault.ErrMismatch,
		"verifying "+r.Host()+"/app@"+digest+": content mismatch: the registry calls "+digest+
			" by the digest "+other)
}

func TestInspectTakesNoLyingIndex(t *testing.T) {
	t.Parallel()
	r := registrytest.New(t)
	child := r.Push(t, "app", registrytest.Image(t, "linux/amd64"))
	lie := `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"mediaType":` +
		`"application/vnd.oci.image.manifest.v1+json","digest":"` + child +
		`","size":7,"platform":{"os":"linux","architecture":"amd64"}}]}`
	digest := r.Push(t, "app", raw{lie, "application/vnd.oci.image.index.v1+json"})
	_, err := anonymousClient(t).Inspect(t.Context(), r.Host()+"/app", digest)
	if err == nil || !strings.Contains(err.Error(), "bytes, its index says 7") {
		t.Error(err)
	}
}
