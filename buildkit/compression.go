package buildkit

import (
	"cmp"
	"slices"

	"github.com/moby/buildkit/client"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
)

// Options of BuildKit's exporters that say how to compress layers.
const (
	compressionOption      = "compression"
	compressionLevelOption = "compression-level"
	forceCompressionOption = "force-compression"
	defaultCompression     = "gzip"
)

// alignCompression makes every export of an image get the compression that it asks for. An archive that names none gets
// the compression of the image. If two exports differ, each of them compresses all layers again.
//
// A daemon keeps the compression that a layer got first. The exports of a solve run at once, and a preview may have
// written an archive before. So the compression of the pushed image, and its digest, would depend on who came first.
func alignCompression(p inputs.Plan, entries []client.ExportEntry) {
	images := slices.DeleteFunc(slices.Clone(entries), func(e client.ExportEntry) bool {
		return e.Type == client.ExporterLocal || e.Type == client.ExporterTar
	})
	for _, e := range images {
		if wanted := p.ImageOptions[compressionOption]; wanted != "" && e.Attrs[compressionOption] == "" {
			e.Attrs[compressionOption] = wanted
			if level := p.ImageOptions[compressionLevelOption]; level != "" {
				e.Attrs[compressionLevelOption] = level
			}
		}
	}
	if !differInCompression(images) {
		return
	}
	for _, e := range images {
		chosen := e.Attrs[forceCompressionOption]
		if e.Type == client.ExporterImage {
			chosen = p.ImageOptions[forceCompressionOption]
		}
		e.Attrs[forceCompressionOption] = cmp.Or(chosen, "true")
	}
}

// differInCompression tells whether two exports ask for different compressions.
func differInCompression(images []client.ExportEntry) bool {
	of := func(e client.ExportEntry) string { return cmp.Or(e.Attrs[compressionOption], defaultCompression) }
	return slices.ContainsFunc(images, func(e client.ExportEntry) bool { return of(e) != of(images[0]) })
}
