package buildkit

import (
	"maps"
	"slices"
	"strings"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	"github.com/moby/buildkit/util/entitlements"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
)

// CompatibilityVersion pins how a daemon assembles manifests. Without it the upgrade of a builder would change every
// digest. 30 is the version of BuildKit v0.31 and later (docs/build-repro.md of BuildKit).
const CompatibilityVersion = 30

// neededEntitlements returns the permissions that the plan needs from the daemon. Not every daemon grants them.
func neededEntitlements(p inputs.Plan) []string {
	host := entitlements.EntitlementNetworkHost.String()
	if p.Network == "host" && !slices.Contains(p.Allow, host) {
		return append([]string{host}, p.Allow...)
	}
	return p.Allow
}

// IsEntitlement tells whether text names a permission that a step can ask for.
func IsEntitlement(text string) bool {
	_, _, err := entitlements.Parse(text)
	return err == nil
}

// imageExports returns the exports that push the image by digest to all repositories. It returns none if the plan makes
// no image.
//
// There are two exports if only some of the repositories are insecure, because an export is either strict or lax with
// all of its repositories.
func imageExports(p inputs.Plan) []client.ExportEntry {
	if p.WithoutImage {
		return nil
	}
	isInsecure := func(r string) bool { return slices.Contains(p.Insecure, r) }
	strict := slices.DeleteFunc(slices.Clone(p.Repositories), isInsecure)
	if len(strict) == len(p.Repositories) {
		return []client.ExportEntry{imageExport(p, strict)}
	}
	lax := imageExport(p, p.Insecure)
	lax.Attrs["registry.insecure"] = "true"
	if len(strict) == 0 {
		return []client.ExportEntry{lax}
	}
	return []client.ExportEntry{imageExport(p, strict), lax}
}

// imageExport returns the export that pushes the image by digest. It sets every option that influences the digest.
func imageExport(p inputs.Plan, repositories []string) client.ExportEntry {
	options := map[string]string{
		"oci-mediatypes":       "true",
		"oci-artifact":         "false",
		compressionOption:      defaultCompression,
		forceCompressionOption: "false",
		"store":                "false",
	}
	maps.Copy(options, p.ImageOptions)
	if p.Epoch != nil {
		options["rewrite-timestamp"] = "true"
	}
	for name, value := range p.Annotations {
		options[exptypes.AnnotationManifestKey(nil, name)] = value
		if p.IsIndex() { // BuildKit refuses index annotations for an image without an index
			options[exptypes.AnnotationIndexKey(name)] = value
		}
	}
	switch {
	case len(repositories) > 0:
		options["name"] = strings.Join(repositories, ",")
		options["push"] = "true"
		options["push-by-digest"] = "true"
	case len(p.StoreNames) > 0:
		options["name"] = strings.Join(p.StoreNames, ",")
	}
	return client.ExportEntry{Type: client.ExporterImage, Attrs: options}
}
