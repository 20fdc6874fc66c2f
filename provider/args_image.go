package provider

import (
	"github.com/pulumi/pulumi-go-provider/infer"
)

func describeImage(a *ImageArgs, an infer.Annotator) {
	an.Describe(&a.Annotations, "Annotations of the manifest of each platform and, if there is one, of the "+
		"index. Registries and scanners read them without pulling the image.")
	an.Describe(&a.SourceDateEpoch, "Seconds since 1970, such as the time of the last commit. No time in the "+
		"image is later, and files of the build contexts get exactly this time. The same inputs then give the "+
		"same digest on any machine, if the steps do the same. Steps see it as the build argument "+
		"`SOURCE_DATE_EPOCH`. That argument alone sets only the times of the image's configuration, not those of "+
		"its files.")
	an.Describe(&a.Provenance, "Attach a record of how the image was made (SLSA). It changes the digest on every "+
		"build, and makes an index even of one platform, which AWS Lambda refuses. Off by default.")
	an.Describe(&a.SBOM, "Attach a list of what is in the image (SBOM). It makes an index even of one platform, "+
		"which AWS Lambda refuses. Off by default.")
}

// Provenance is a record of how an image was made.
type Provenance struct {
	Mode ProvenanceMode `pulumi:"mode"`
}

// Annotate documents the type.
func (p *Provenance) Annotate(an infer.Annotator) {
	an.Describe(p, "A record of how an image was made, attached to the image in the format SLSA v1.")
	an.Describe(&p.Mode, "How much to record.")
}

// ProvenanceMode says how much to record.
type ProvenanceMode string

// The values of ProvenanceMode.
const (
	ProvenanceMin ProvenanceMode = "min"
	ProvenanceMax ProvenanceMode = "max"
)

// Values implements infer.Enum.
func (ProvenanceMode) Values() []infer.EnumValue[ProvenanceMode] {
	return []infer.EnumValue[ProvenanceMode]{
		{Name: "Min", Value: ProvenanceMin, Description: "When and by what the image was built, and from which " +
			"sources and base images."},
		{Name: "Max", Value: ProvenanceMax, Description: "Also the build arguments, the Dockerfile and every step."},
	}
}

// SBOM is a list of what is in an image.
type SBOM struct {
	Generator string `pulumi:"generator"`
}

// Annotate documents the type.
func (s *SBOM) Annotate(an infer.Annotator) {
	an.Describe(s, "A list of what is in an image, attached to the image.")
	an.Describe(&s.Generator, "The image that makes the list. The builder pulls and runs it. BuildKit's own is "+
		"`docker/buildkit-syft-scanner:stable-1`. Add a digest to keep the same generator.")
}
