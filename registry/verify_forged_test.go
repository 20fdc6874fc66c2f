package registry_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// forgedIndexCase is a case of TestVerifyForgedIndexes.
type forgedIndexCase struct {
	asked   registry.Expected
	entries []entry
	change  func(index map[string]any)
	want    string // of the error; "" is none
}

// What the indexes of forgedIndexCases hold, and what was asked for.
var (
	imageA       = entry{configured: amd64, says: "same"}
	imageB       = entry{configured: arm64, says: "same"}
	twoPlatforms = expectedPlatforms(amd64, arm64)
	twoAttested  = registry.Expected{Platforms: []string{amd64, arm64}, Attested: true}
)

// newAttestation returns the attestation of a manifest: its digest, or ENTRY0 for the first one in the index.
func newAttestation(of string) entry { return entry{configured: unknown, says: unknown, attests: of} }

// forgedIndexCases are the cases of TestVerifyForgedIndexes, by name.
var forgedIndexCases = map[string]forgedIndexCase{
	"as asked": {twoPlatforms, []entry{imageB, imageA}, nil, ""},
	"attested as asked": {registry.Expected{Platforms: []string{amd64}, Attested: true},
		[]entry{imageA, newAttestation("ENTRY0")}, nil, ""},
	"one of any platform attested": {
		registry.Expected{Attested: true}, []entry{imageB, newAttestation("ENTRY0")}, nil, "",
	},
	"one in an index as asked": {
		registry.Expected{Platforms: []string{amd64}, Index: true}, []entry{imageA}, nil,
		"",
	},
	"any one in an index as asked": {registry.Expected{Index: true}, []entry{imageB}, nil, ""},
	"variants in short": {
		expectedPlatforms(arm64, "linux/arm/v7"),
		[]entry{{configured: "linux/arm64/v8", says: arm64}, {configured: "linux/arm", says: "linux/arm/v7"}},
		nil, "",
	},

	"another architecture in the configuration": {
		twoPlatforms, []entry{imageA, {configured: amd64, says: arm64}}, nil,
		"its configuration says linux/amd64 and not linux/arm64",
	},
	"another variant in the configuration": {expectedPlatforms(amd64, "linux/arm/v6"),
		[]entry{imageA, {configured: "linux/arm/v7", says: "linux/arm/v6"}}, nil,
		"its configuration says linux/arm/v7 and not linux/arm/v6"},
	"another system in the configuration": {
		twoPlatforms, []entry{{configured: "windows/amd64", says: amd64}, imageB}, nil,
		"its configuration says windows/amd64 and not linux/amd64",
	},
	"no platform in the configuration": {
		twoPlatforms, []entry{{configured: "/", says: amd64}, imageB}, nil,
		"its configuration names no platform",
	},
	"a second entry for a platform": {
		twoPlatforms, []entry{imageA, imageB, imageA}, nil,
		"it holds linux/amd64, linux/arm64, linux/amd64 and not linux/amd64, linux/arm64 as asked for",
	},
	"a second one by another name": {
		twoPlatforms, []entry{imageA, imageB, {configured: arm64, says: "linux/arm64/v8"}}, nil,
		"it holds linux/amd64, linux/arm64, linux/arm64 and not",
	},
	"an entry without a platform": {
		twoPlatforms, []entry{imageA, imageB, {configured: amd64}}, nil,
		"its index has an entry without a platform",
	},
	"a platform that nobody asked for": {
		twoPlatforms, []entry{imageA, imageB, {configured: "windows/amd64", says: "same"}}, nil,
		"it holds linux/amd64, linux/arm64, windows/amd64 and not",
	},
	"a platform that is missing": {twoPlatforms, []entry{imageA}, nil, "it holds linux/amd64 and not"},
	"one image for two platforms": {
		twoPlatforms, []entry{imageA, {configured: arm64, says: arm64, same: true}}, nil,
		"its index has sha256:",
	},
	"attestations that nobody asked for": {
		twoPlatforms, []entry{imageA, imageB, newAttestation("ENTRY0")}, nil,
		"it holds attestations, which were not asked for",
	},
	"attestations that are missing": {
		twoAttested, []entry{imageA, imageB, newAttestation("ENTRY0")}, nil,
		"it has no attestations for 1 of its images",
	},
	"an attestation of something else": {twoAttested,
		[]entry{imageA, imageB, newAttestation("ENTRY0"), newAttestation("sha256:" + strings.Repeat("0", 64))}, nil,
		"neither an image nor the attestation of one"},
	"an attestation of itself": {twoAttested,
		[]entry{imageA, imageB, newAttestation("ENTRY0"), {configured: unknown, says: unknown}}, nil,
		"neither an image nor the attestation of one"},
	"two attestations of one": {
		twoAttested, []entry{imageA, imageB, newAttestation("ENTRY0"), newAttestation("ENTRY0")}, nil,
		"it attests sha256:",
	},
	"an image that passes for an attestation": {twoPlatforms, []entry{imageA, imageB,
		{configured: amd64, says: amd64, attests: "ENTRY0"}}, nil,
		"it holds linux/amd64, linux/arm64, linux/amd64 and not"},
	"another size": {twoPlatforms, []entry{imageA,
		{configured: arm64, says: arm64, change: func(d map[string]any) { d["size"] = 7 }}}, nil,
		"bytes, its index says 7"},
	"another media type": {
		twoPlatforms, []entry{imageA,
			{configured: arm64, says: arm64, change: func(d map[string]any) { d["mediaType"] = indexType }}}, nil,
		"its index says",
	},
	"an index of one": {
		expectedPlatforms(amd64), []entry{imageA}, nil, "it is an index, and a single manifest was asked for",
	},
	"more than any": {
		registry.Expected{}, []entry{imageA, imageB}, nil,
		"it is an index, and a single manifest was asked for",
	},
}

// TestVerifyForgedIndexes holds that Verify refuses what was not asked for, whoever pushed it.
func TestVerifyForgedIndexes(t *testing.T) {
	t.Parallel()
	for name, test := range forgedIndexCases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := registrytest.New(t)
			digest := forge(t, r, test.change, test.entries...)
			_, err := anonymousClient(t).Verify(t.Context(), r.Host()+"/app", digest, test.asked)
			if test.want == "" && err != nil || test.want != "" &&
				(!errors.Is(err, fault.ErrMismatch) || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
		})
	}
}
