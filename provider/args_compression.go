package provider

import "github.com/pulumi/pulumi-go-provider/infer"

// CompressionType is the compression of layers.
type CompressionType string

// The values of CompressionType.
const (
	CompressionGzip         CompressionType = "gzip"
	CompressionZstd         CompressionType = "zstd"
	CompressionEstargz      CompressionType = "estargz"
	CompressionUncompressed CompressionType = "uncompressed"
)

// Values implements infer.Enum.
func (CompressionType) Values() []infer.EnumValue[CompressionType] {
	return []infer.EnumValue[CompressionType]{
		{Name: "Gzip", Value: CompressionGzip, Description: "gzip, which everything can read."},
		{Name: "Zstd", Value: CompressionZstd, Description: "Zstandard, which is faster to unpack."},
		{Name: "Estargz", Value: CompressionEstargz, Description: "eStargz, from which a runtime can fetch single " +
			"files."},
		{Name: "Uncompressed", Value: CompressionUncompressed, Description: "No compression."},
	}
}

// LayerCompression says how to compress layers.
type LayerCompression struct {
	Compression      *CompressionType `pulumi:"compression,optional"`
	CompressionLevel *int             `pulumi:"compressionLevel,optional"`
	ForceCompression *bool            `pulumi:"forceCompression,optional"`
}

// Annotate documents the fields.
func (c *LayerCompression) Annotate(an infer.Annotator) {
	an.Describe(&c.Compression, "How to compress layers. Defaults to `gzip`; an archive beside a pushed image has the "+
		"compression of that image. A layer that the builder holds in another compression keeps it, unless "+
		"forceCompression is set.")
	an.Describe(&c.CompressionLevel, "Compression level: 0 to 9, or 0 to 22 with `zstd`. Defaults to the "+
		"builder's own choice.")
	an.Describe(&c.ForceCompression, "Whether to compress layers again that exist in another compression, those "+
		"of the base image too. Defaults to false, and to true if two exports of one image name different "+
		"compressions.")
}
