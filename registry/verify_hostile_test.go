package registry_test

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// entry is one entry of a forged index: an image whose configuration names a platform, perhaps under another platform.
type entry struct {
	configured string // the platform in the configuration
	says       string // the platform in the index; "" is none, "same" the one above
	attests    string // the annotation with what it attests, if any: ENTRY0 is the first entry's digest
	change     func(d map[string]any)
	same       bool // the very image of the entry before
}

const (
	amd64, arm64, unknown = "linux/amd64", "linux/arm64", "unknown/unknown"
	indexType             = "application/vnd.oci.image.index.v1+json"
)

// forge pushes the entries and an index of them.
func forge(t *testing.T, r *registrytest.Registry, change func(index map[string]any),
	entries ...entry) (digest string) {
	t.Helper()
	var listed []any
	var digests []string
	for i, e := range entries {
		image := registrytest.Image(t, e.configured)
		content, err := image.RawManifest()
		if err != nil {
			t.Fatal(err)
		}
		d := map[string]any{"mediaType": string(types.OCIManifestSchema1), "size": len(content),
			"digest": r.Push(t, "app", image)}
		if e.same {
			d = maps.Clone(listed[i-1].(map[string]any))
		}
		digests = append(digests, d["digest"].(string))
		if e.says == "same" {
			e.says = e.configured
		}
		if e.says != "" {
			os, rest, _ := strings.Cut(e.says, "/")
			architecture, variant, _ := strings.Cut(rest, "/")
			d["platform"] = map[string]string{"os": os, "architecture": architecture, "variant": variant}
		}
		if e.attests != "" {
			d["annotations"] = map[string]string{
				"vnd.docker.reference.type":   "attestation-manifest",
				"vnd.docker.reference.digest": strings.ReplaceAll(e.attests, "ENTRY0", digests[0]),
			}
		}
		if e.change != nil {
			e.change(d)
		}
		listed = append(listed, d)
	}
	index := map[string]any{"schemaVersion": 2, "mediaType": indexType, "manifests": listed}
	if change != nil {
		change(index)
	}
	content, err := json.Marshal(index)
	if err != nil {
		t.Fatal(err)
	}
	return r.Push(t, "app", raw{string(content), indexType})
}

// TestVerifyNestedIndex holds that Verify refuses an index in an index, which nobody builds and engines do not look
// for.
func TestVerifyNestedIndex(t *testing.T) {
	t.Parallel()
	r := registrytest.New(t)
	inner := registrytest.Index(t, amd64, arm64)
	hash, _ := inner.Digest()
	size, _ := inner.Size()
	r.Push(t, "app", inner)
	digest := forge(t, r, func(i map[string]any) {
		i["manifests"] = append(i["manifests"].([]any), map[string]any{
			"mediaType": indexType, "digest": hash.String(), "size": size,
			"platform": map[string]string{"os": "linux", "architecture": "arm64"},
		})
	}, entry{configured: amd64, says: amd64})
	_, err := anonymousClient(t).Verify(t.Context(), r.Host()+"/app", digest, expectedPlatforms(amd64, arm64))
	if !errors.Is(err, fault.ErrMismatch) || !strings.Contains(err.Error(), "is no image manifest") {
		t.Error(err)
	}
}

// TestVerifyForgedImages holds that Verify compares a single manifest with what was asked for, too.
func TestVerifyForgedImages(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		platform string
		asked    registry.Expected
		change   func(t *testing.T, image v1.Image) v1.Image
		want     string
	}{
		"as asked": {arm64, expectedPlatforms(arm64), nil, ""},
		"any":      {arm64, registry.Expected{}, nil, ""},
		"another platform": {
			amd64, expectedPlatforms(arm64), nil, "its configuration says linux/amd64 and not linux/arm64",
		},
		"no platform": {"/", registry.Expected{}, nil, "its configuration names no platform"},
		"an index asked for": {
			amd64, expectedPlatforms(amd64, arm64), nil, "it is a single manifest, and an index was asked for",
		},
		"no image's media type": {amd64, expectedPlatforms(amd64), func(_ *testing.T, image v1.Image) v1.Image {
			return mutate.ConfigMediaType(image, "application/vnd.cncf.helm.config.v1+json")
		}, "is \"application/vnd.cncf.helm.config.v1+json\" and no image's"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := registrytest.New(t)
			image := registrytest.Image(t, test.platform)
			if test.change != nil {
				image = test.change(t, image)
			}
			_, err := anonymousClient(t).Verify(t.Context(), r.Host()+"/app", r.Push(t, "app", image), test.asked)
			if test.want == "" && err != nil || test.want != "" &&
				(!errors.Is(err, fault.ErrMismatch) || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
		})
	}
}

// TestVerifyAsksLittle holds that an index with too many entries costs no more requests than the index itself.
func TestVerifyAsksLittle(t *testing.T) {
	t.Parallel()
	r := registrytest.New(t)
	many := make([]entry, 40)
	for i := range many {
		many[i] = entry{configured: amd64, says: amd64}
	}
	digest := forge(t, r, nil, many...)
	before := countRequests(r, http.MethodGet)
	_, err := anonymousClient(t).Verify(t.Context(), r.Host()+"/app", digest, expectedPlatforms(amd64, arm64))
	if !errors.Is(err, fault.ErrMismatch) {
		t.Error(err)
	}
	if got := countRequests(r, http.MethodGet) - before; got > 2 { // the ping, the index
		t.Errorf("%d requests", got)
	}
}
