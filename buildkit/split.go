package buildkit

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"

	"github.com/containerd/platforms"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
)

// PlanFor returns the plan of one platform of an image that several daemons build. Its image is the manifest that a
// daemon would put into the index if it built all platforms.
//
// A daemon refuses annotations of an index for a plan without one, and ignores those for one platform.
func PlanFor(plan inputs.Plan, platform string) inputs.Plan {
	plan.Platforms = []string{platform}
	if plan.IsIndex() {
		return plan
	}
	given := plan.ImageOptions
	plan.ImageOptions = maps.Clone(given)
	specific := map[string]string{}
	for option, value := range given {
		key, ok := annotationKey(option)
		if !ok {
			continue
		}
		isOfIndex := key.Type == exptypes.AnnotationIndex || key.Type == exptypes.AnnotationIndexDescriptor
		if isOfIndex || key.Platform != nil {
			delete(plan.ImageOptions, option)
		}
		if !isOfIndex && key.Platform != nil && formatPlatform(*key.Platform) == platform {
			key.Platform = nil
			specific[key.String()] = value
		}
	}
	maps.Copy(plan.ImageOptions, specific)
	return plan
}

// IndexAnnotations returns the annotations of the index of a plan.
func IndexAnnotations(plan inputs.Plan) map[string]string {
	annotations := annotationsOf(plan, exptypes.AnnotationIndex)
	maps.Copy(annotations, plan.Annotations)
	return annotations
}

// annotationsOf returns the annotations of a type among the options of the image, without those for one platform.
func annotationsOf(plan inputs.Plan, kind string) map[string]string {
	annotations := map[string]string{}
	for option, value := range plan.ImageOptions {
		if key, ok := annotationKey(option); ok && key.Type == kind && key.Platform == nil {
			annotations[key.Key] = value
		}
	}
	return annotations
}

// annotationKey parses the name of an option that sets an annotation. ok is false for any other option.
func annotationKey(option string) (key exptypes.AnnotationKey, ok bool) {
	key, ok, err := exptypes.ParseAnnotationKey(option)
	return key, ok && err == nil
}

// formatPlatform returns the canonical text of a platform, such as "linux/arm/v7".
func formatPlatform(p ocispecs.Platform) string { return platforms.FormatAll(platforms.Normalize(p)) }

// describeManifest returns the descriptor of the manifest that a daemon built for the only platform of a plan, as it
// stands in an index. It returns the zero descriptor if the plan makes an index or no image.
func describeManifest(plan inputs.Plan, response map[string]string) (d ocispecs.Descriptor, err error) {
	encoded := response[exptypes.ExporterImageDescriptorKey]
	if encoded == "" || plan.IsIndex() || len(plan.Platforms) != 1 {
		return d, nil
	}
	text, err := base64.StdEncoding.DecodeString(encoded)
	if err == nil {
		err = json.Unmarshal(text, &d)
	}
	if err != nil {
		return d, fmt.Errorf("the daemon's descriptor of the image: %w", err)
	}
	platform, err := platforms.Parse(plan.Platforms[0])
	if err != nil {
		return d, err
	}
	platform = platforms.Normalize(platform)
	if d.Platform != nil { // of Windows with its version, which the base image tells
		platform = *d.Platform
	}
	annotations := annotationsOf(plan, exptypes.AnnotationManifestDescriptor)
	if len(annotations) == 0 {
		annotations = nil
	}
	return ocispecs.Descriptor{
		MediaType: d.MediaType, Digest: d.Digest, Size: d.Size, Platform: &platform, Annotations: annotations,
	}, nil
}
