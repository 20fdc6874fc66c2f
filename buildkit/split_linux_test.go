package buildkit_test

import (
	"maps"
	"reflect"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
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
