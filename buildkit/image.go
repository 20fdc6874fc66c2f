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

// CompatibilityVersion pins how a daemon assembles manifests, or the upgrade of a builder would change every digest.
// 30 is the version of BuildKit v0.31 and later (docs/build-repro.md of BuildKit).
const CompatibilityVersion = 30

// neededEntitlements are what the plan asks of the daemon that not every daemon grants.
func neededEntitlements(p inputs.Plan) []string {
	if p.Network == "host" {
		return []string{entitlements.EntitlementNetworkHost.String()}
	}
	return nil
}

// imageExports are the image, pushed by digest to all repositories: twice where the daemon has to be told to be less strict with some of them,
// because it then is with all of one export. There are none when nobody gets the image.
func imageExports(p inputs.Plan) []client.ExportEntry {
	if p.WithoutImage {
		return nil
	}
	strict := slices.DeleteFunc(slices.Clone(p.Repositories), func(r string) bool { return slices.Contains(p.Insecure, r) })
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

// imageExport is the image, pushed by digest. Every option that has a say in the digest is written out.
func imageExport(p inputs.Plan, repositories []string) client.ExportEntry {
	attrs := map[string]string{
		"oci-mediatypes":    "true",
		"oci-artifact":      "false",
		"compression":       "gzip",
		"force-compression": "false",
		"store":             "false",
	}
	maps.Copy(attrs, p.ImageAttrs)
	if p.Epoch != nil {
		attrs["rewrite-timestamp"] = "true"
	}
	for name, value := range p.Annotations {
		attrs[exptypes.AnnotationManifestKey(nil, name)] = value
		if p.IsIndex() { // BuildKit refuses annotations of an index that is none
			attrs[exptypes.AnnotationIndexKey(name)] = value
		}
	}
	if len(repositories) > 0 {
		attrs["name"] = strings.Join(repositories, ",")
		attrs["push"] = "true"
		attrs["push-by-digest"] = "true"
	}
	return client.ExportEntry{Type: client.ExporterImage, Attrs: attrs}
}
