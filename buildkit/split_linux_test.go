package buildkit_test

import (
	"maps"
	"reflect"
	"slices"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/mutate"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// The parts of an image that several daemons build are those of the index that one daemon makes, byte for byte.
func TestPartsOfAnImage(t *testing.T) {
	t.Parallel()
	s := newStepBuilder(t)
	epoch := int64(0)
	for name, options := range map[string]map[string]string{
		"plain": {},
		"annotated": {
			"annotation-index.of.index": "1", "annotation.of.manifest": "2", "annotation[linux/arm/v7].of.arm": "3",
			"annotation-manifest-descriptor.of.entry": "4", "annotation-index-descriptor.of.layout": "5",
		},
		"Docker's types": {"oci-mediatypes": "false"},
	} {
		plan := s.plan(t, "")
		plan.Files.Inline = []byte("FROM scratch\nARG TARGETPLATFORM\nCOPY <<EOF /platform\n$TARGETPLATFORM\nEOF")
		plan.Platforms = []string{"linux/amd64", "linux/arm/v7", "linux/arm64"}
		plan.Epoch, plan.ImageOptions = &epoch, options
		if name == "annotated" {
			plan.Annotations = map[string]string{"of.all": "6"}
		}
		before := maps.Clone(options)
		whole := s.document(t, s.mustBuild(t, plan).Digest)
		for i, platform := range plan.Platforms {
			part := s.mustBuild(t, buildkit.PlanFor(plan, platform))
			got := part.Manifest
			if want := whole.Manifests[i]; got.Digest.String() != want.Digest.String() || got.Size != want.Size ||
				got.MediaType != string(want.MediaType) || got.Platform.Architecture != want.Platform.Architecture ||
				got.Platform.Variant != want.Platform.Variant || !maps.Equal(got.Annotations, want.Annotations) {
				t.Errorf("%s: %s: got %+v, want %+v", name, platform, got, want)
			}
		}
		if got := buildkit.IndexAnnotations(plan); !maps.Equal(got, whole.Annotations) {
			t.Errorf("%s: the index has the annotations %v, want %v", name, got, whole.Annotations)
		}
		if !reflect.DeepEqual(options, before) {
			t.Errorf("%s: the options have changed: %v", name, options)
		}
	}
}

// An image on a Windows base has the version of Windows in its index entry, whichever daemon builds the part.
//
// Only one platform has a base: BuildKit's frontend sets a flag of its cache without a lock, always to the same value.
func TestPartsOfAWindowsImage(t *testing.T) {
	t.Parallel()
	s := newStepBuilder(t)
	plan := s.plan(t, "")
	plan.Files.Inline = []byte("FROM scratch AS linux\nFROM " + pushWindowsBase(t, "10.0.20348.2966") +
		" AS windows\nFROM ${TARGETOS}\nCOPY <<EOF /file\ntext\nEOF")
	plan.Platforms = []string{"windows/amd64", "linux/arm64"}
	epoch := int64(0)
	plan.Epoch = &epoch
	whole := s.document(t, s.mustBuild(t, plan).Digest)
	for i, platform := range plan.Platforms {
		got, want := s.mustBuild(t, buildkit.PlanFor(plan, platform)).Manifest, whole.Manifests[i]
		if got.Digest.String() != want.Digest.String() || got.Platform.OSVersion != want.Platform.OSVersion ||
			!slices.Equal(got.Platform.OSFeatures, want.Platform.OSFeatures) {
			t.Errorf("%s: got %+v %+v, want %+v", platform, got, got.Platform, want)
		}
	}
	if whole.Manifests[0].Platform.OSVersion == "" {
		t.Error("the daemon's index has no version of Windows: the test shows nothing")
	}
}

// pushWindowsBase pushes a base image for a version of Windows and returns its reference.
func pushWindowsBase(t *testing.T, version string) string {
	t.Helper()
	windows := registrytest.Image(t, "windows/amd64")
	config, err := windows.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	config.OSVersion = version
	if windows, err = mutate.ConfigFile(windows, config); err != nil {
		t.Fatal(err)
	}
	r := registrytest.New(t)
	return r.Host() + "/base@" + r.Push(t, "base:1", windows)
}
