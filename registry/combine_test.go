package registry_test

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// attestedIndex returns an index of an image for a platform and of its attestation.
func attestedIndex(t *testing.T, platform string) v1.ImageIndex {
	t.Helper()
	image := registrytest.Image(t, platform)
	digest, err := image.Digest()
	if err != nil {
		t.Fatal(err)
	}
	p, err := v1.ParsePlatform(platform)
	if err != nil {
		t.Fatal(err)
	}
	return mutate.AppendManifests(mutate.IndexMediaType(empty.Index, types.OCIImageIndex),
		mutate.IndexAddendum{Add: image, Descriptor: v1.Descriptor{Platform: p}},
		mutate.IndexAddendum{Add: registrytest.Image(t, "unknown/unknown"), Descriptor: v1.Descriptor{
			Platform: &v1.Platform{OS: "unknown", Architecture: "unknown"},
			Annotations: map[string]string{
				"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": digest.String(),
			},
		}})
}

// combined is what a test of Combine makes: the index as a registry serves it after PushIndex.
type combined struct {
	registry.Index
	served v1.IndexManifest
	raw    string
}

// pushCombined combines sources, pushes the index to repository, and reads it there.
func pushCombined(t *testing.T, repository string, request registry.IndexRequest) combined {
	t.Helper()
	client := anonymousClient(t)
	index, err := client.Combine(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	if err := client.PushIndex(t.Context(), repository, index); err != nil {
		t.Fatal(err)
	}
	held, err := anonymousClient(t).Inspect(t.Context(), repository, index.Digest)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(held.Manifests, index.Manifests) || held.MediaType != index.MediaType {
		t.Errorf("the registry has %v, and Combine says %v", held, index.Image)
	}
	host, path, _ := strings.Cut(repository, "/")
	result := combined{Index: index, raw: get(t, "http://"+host+"/v2/"+path+"/manifests/"+index.Digest)}
	if err := json.Unmarshal([]byte(result.raw), &result.served); err != nil {
		t.Fatal(err)
	}
	return result
}

func get(t *testing.T, url string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "*/*")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", url, resp.Status, err)
	}
	return string(body)
}

func source(r *registrytest.Registry, repository, digest string) registry.IndexSource {
	return registry.IndexSource{Repository: r.Host() + "/" + repository, Digest: digest}
}

func platformsOf(manifests []registry.Manifest) (all []string) {
	for _, m := range manifests {
		all = append(all, m.Platform)
	}
	return all
}

// An index is made of single images and of indexes, in two repositories of one registry and in another registry.
func TestCombineAndPush(t *testing.T) {
	t.Parallel()
	here, there := registrytest.New(t), registrytest.New(t)
	request := registry.IndexRequest{Sources: []registry.IndexSource{
		source(here, "app", here.Push(t, "app", registrytest.Image(t, "linux/amd64"))),
		source(here, "other", here.Push(t, "other", registrytest.Image(t, "linux/arm64"))),
		source(there, "far", there.Push(t, "far", attestedIndex(t, "linux/riscv64"))),
	}}
	got := pushCombined(t, here.Host()+"/app", request)
	want := []string{"linux/amd64", "linux/arm64", "linux/riscv64"}
	if !slices.Equal(platformsOf(got.Manifests), want) {
		t.Errorf("got the platforms %v", platformsOf(got.Manifests))
	}
	if len(got.served.Manifests) != 4 || got.served.MediaType != types.OCIImageIndex {
		t.Errorf("got %s", got.raw)
	}
	mounted := registrytest.Request{Method: http.MethodPost, Path: "/v2/app/blobs/uploads/", Status: http.StatusCreated}
	uploaded := mounted
	uploaded.Status = http.StatusAccepted
	counts := map[registrytest.Request]int{}
	for _, r := range here.Requests() {
		counts[r]++
	}
	// The image itself was pushed here with an upload for its configuration and each of its two layers.
	if counts[mounted] != 3 || counts[uploaded] != 3+3+3 {
		t.Errorf("%d blobs were mounted, and %d uploaded", counts[mounted], counts[uploaded])
	}
}

func TestCombineChoosesPlatforms(t *testing.T) {
	t.Parallel()
	r := registrytest.New(t)
	amd64, arm := attestedIndex(t, "linux/amd64"), attestedIndex(t, "linux/arm/v7")
	request := registry.IndexRequest{
		Sources: []registry.IndexSource{
			source(r, "app", r.Push(t, "app", amd64)), source(r, "app", r.Push(t, "app", arm)),
		},
		Platforms: []string{"linux/arm/v7"},
	}
	got := pushCombined(t, r.Host()+"/app", request)
	if !slices.Equal(platformsOf(got.Manifests), request.Platforms) || len(got.served.Manifests) != 2 {
		t.Errorf("got %s", got.raw)
	}
	request.Platforms = []string{"linux/s390x", "linux/arm/v7"}
	_, err := anonymousClient(t).Combine(t.Context(), request)
	expectError(t, err, fault.ErrMismatch, "content mismatch: no source has an image for linux/s390x; there are "+
		"images for linux/amd64, linux/arm/v7", fault.PlatformMissing)
}

// The only source is copied as it is, and changed only as far as the request says.
func TestCombineOfOneSource(t *testing.T) {
	t.Parallel()
	here, there := registrytest.New(t), registrytest.New(t)
	index := mutate.Annotations(attestedIndex(t, "linux/amd64"), map[string]string{"a": "1"}).(v1.ImageIndex)
	request := registry.IndexRequest{Sources: []registry.IndexSource{
		source(there, "app", there.Push(t, "app", index)),
	}}
	same := pushCombined(t, here.Host()+"/promoted", request)
	if same.Digest != request.Sources[0].Digest {
		t.Errorf("got %s", same.raw)
	}
	request.Annotations = map[string]string{"b": "2"}
	other := pushCombined(t, here.Host()+"/promoted", request)
	if other.served.Annotations["a"] != "1" || other.served.Annotations["b"] != "2" {
		t.Errorf("got %s", other.raw)
	}
	single := registry.IndexRequest{Sources: []registry.IndexSource{
		source(there, "app", there.Push(t, "app", registrytest.Image(t, "linux/arm/v6"))),
	}}
	if got := pushCombined(t, here.Host()+"/single", single); len(got.served.Manifests) != 1 ||
		got.served.Manifests[0].Platform.String() != "linux/arm/v6" {
		t.Errorf("got %s", got.raw)
	}
}

// An index is one of Docker if all manifests are Docker's.
func TestCombineMediaType(t *testing.T) {
	t.Parallel()
	r := registrytest.New(t)
	docker := func(platform string) registry.IndexSource {
		image := mutate.MediaType(registrytest.Image(t, platform), types.DockerManifestSchema2)
		return source(r, "app", r.Push(t, "app", image))
	}
	amd64, arm64 := docker("linux/amd64"), docker("linux/arm64")
	oci := source(r, "app", r.Push(t, "app", registrytest.Image(t, "linux/arm64")))
	for _, test := range []struct {
		request registry.IndexRequest
		want    types.MediaType
	}{
		{registry.IndexRequest{Sources: []registry.IndexSource{amd64, arm64}}, types.DockerManifestList},
		{registry.IndexRequest{Sources: []registry.IndexSource{amd64, oci}}, types.OCIImageIndex},
		{registry.IndexRequest{
			Sources: []registry.IndexSource{amd64, arm64}, Annotations: map[string]string{"a": "1"},
		}, types.OCIImageIndex},
	} {
		got := pushCombined(t, r.Host()+"/app", test.request)
		if got.served.MediaType != test.want {
			t.Errorf("got %s, want %s", got.raw, test.want)
		}
	}
}

func TestCombineRefuses(t *testing.T) {
	t.Parallel()
	r := registrytest.New(t)
	one := source(r, "app", r.Push(t, "app", registrytest.Image(t, "linux/arm64")))
	two := source(r, "app", r.Push(t, "app", registrytest.Index(t, "linux/arm64/v8")))
	none := source(r, "app", "sha256:"+strings.Repeat("0", 64))
	nested := mutate.AppendManifests(mutate.IndexMediaType(empty.Index, types.OCIImageIndex),
		mutate.IndexAddendum{Add: registrytest.Index(t, "linux/amd64")})
	deep := source(r, "app", r.Push(t, "app", nested))
	for name, test := range map[string]struct {
		sources []registry.IndexSource
		is      error
		want    string
	}{
		"one platform twice": {[]registry.IndexSource{one, two}, fault.ErrMismatch,
			"content mismatch: " + one.String() + " and " + two.String() + " have different images for linux/arm64"},
		"gone": {[]registry.IndexSource{one, none}, fault.ErrNotFound,
			"reading " + none.String() + ": not found: manifest unknown"},
		"an index of indexes": {[]registry.IndexSource{deep}, fault.ErrUnsupported,
			"is no image manifest"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := anonymousClient(t).Combine(t.Context(), registry.IndexRequest{Sources: test.sources})
			if name == "an index of indexes" {
				if err == nil || !strings.HasSuffix(err.Error(), test.want) {
					t.Errorf("got %v", err)
				}
				return
			}
			expectError(t, err, test.is, test.want)
		})
	}
	if _, err := anonymousClient(t).Combine(t.Context(), registry.IndexRequest{
		Sources: []registry.IndexSource{one, one},
	}); err != nil {
		t.Errorf("the same image twice: %v", err)
	}
}
