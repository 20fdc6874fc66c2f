package provider

import "github.com/pulumi/pulumi-go-provider/infer"

func (a *ImageArgs) describeCaches(an infer.Annotator) {
	an.Describe(&a.CacheFrom, "Caches from which the builder takes what it has not built itself. One that cannot be read is warned of. They "+
		"have no say in what is built: a change is never a reason to build.")
	an.Describe(&a.CacheTo, "Caches into which a build writes what other builders can take from there; a preview writes none. A change is "+
		"never a reason to build.")
}

// CacheFrom is a cache to read: one of its members.
type CacheFrom struct {
	Registry *CacheFromRegistry      `pulumi:"registry,optional"`
	Local    *CacheFromLocal         `pulumi:"local,optional"`
	S3       *CacheFromS3            `pulumi:"s3,optional"`
	GHA      *CacheFromGitHubActions `pulumi:"gha,optional"`
	AZBlob   *CacheFromAzureBlob     `pulumi:"azblob,optional"`
	Raw      *string                 `pulumi:"raw,optional"`
	Disabled *bool                   `pulumi:"disabled,optional"`
}

// Annotate documents the type.
func (c *CacheFrom) Annotate(an infer.Annotator) {
	an.Describe(c, "A cache to read: one of its members.")
	an.Describe(&c.Registry, "An image in a registry that holds a cache, or an image with an inline cache.")
	an.Describe(&c.Local, "A folder of this machine.")
	an.Describe(&c.S3, "A bucket of Amazon S3, or of a service that speaks its protocol.")
	an.Describe(&c.GHA, "The cache of GitHub Actions. Outside of a job of theirs it is left out.")
	an.Describe(&c.AZBlob, "A container of Azure Blob Storage.")
	an.Describe(&c.Raw, "A cache as `docker buildx build --cache-from` takes it: `type=registry,ref=…`. The other members are checked, this is not.")
	an.Describe(&c.Disabled, "Whether to leave this entry out. Defaults to false.")
}

// CacheTo is a cache to write: one of its members.
type CacheTo struct {
	Registry *CacheToRegistry      `pulumi:"registry,optional"`
	Local    *CacheToLocal         `pulumi:"local,optional"`
	S3       *CacheToS3            `pulumi:"s3,optional"`
	GHA      *CacheToGitHubActions `pulumi:"gha,optional"`
	AZBlob   *CacheToAzureBlob     `pulumi:"azblob,optional"`
	Inline   *CacheToInline        `pulumi:"inline,optional"`
	Raw      *string               `pulumi:"raw,optional"`
	Disabled *bool                 `pulumi:"disabled,optional"`
}

// Annotate documents the type.
func (c *CacheTo) Annotate(an infer.Annotator) {
	an.Describe(c, "A cache to write: one of its members.")
	an.Describe(&c.Registry, "An image in a registry that holds a cache.")
	an.Describe(&c.Local, "A folder of this machine.")
	an.Describe(&c.S3, "A bucket of Amazon S3, or of a service that speaks its protocol.")
	an.Describe(&c.GHA, "The cache of GitHub Actions. Outside of a job of theirs it is left out.")
	an.Describe(&c.AZBlob, "A container of Azure Blob Storage.")
	an.Describe(&c.Inline, "The image itself: what is needed to reuse the layers of its last stage becomes part of it.")
	an.Describe(&c.Raw, "A cache as `docker buildx build --cache-to` takes it: `type=registry,ref=…`. The other members are checked, this is not.")
	an.Describe(&c.Disabled, "Whether to leave this entry out. Defaults to false.")
}

// CacheFromRegistry is an image with a cache.
type CacheFromRegistry struct {
	Ref string `pulumi:"ref"`
}

// Annotate documents the type.
func (c *CacheFromRegistry) Annotate(an infer.Annotator) {
	an.Describe(c, "A cache in a registry.")
	an.Describe(&c.Ref, "Its reference, such as `123456789012.dkr.ecr.eu-west-1.amazonaws.com/app:cache`.")
}

// CacheToRegistry is an image that becomes a cache.
type CacheToRegistry struct {
	CacheFromRegistry
	CacheWriting
	LayerCompression
	OCIMediaTypes *bool `pulumi:"ociMediaTypes,optional"`
	ImageManifest *bool `pulumi:"imageManifest,optional"`
}

// Annotate documents the type.
func (c *CacheToRegistry) Annotate(an infer.Annotator) {
	an.Describe(c, "A cache in a registry.")
	an.Describe(&c.OCIMediaTypes, "Whether to use the media types of OCI. Defaults to true.")
	an.Describe(&c.ImageManifest, "Whether to write a manifest as images have it, which Amazon ECR insists on. Defaults to `ociMediaTypes`, without "+
		"which it cannot be.")
}

// CacheFromLocal is a folder with a cache.
type CacheFromLocal struct {
	Src    string  `pulumi:"src"`
	Digest *string `pulumi:"digest,optional"`
}

// Annotate documents the type.
func (c *CacheFromLocal) Annotate(an infer.Annotator) {
	an.Describe(c, "A cache in a folder.")
	an.Describe(&c.Src, "Path of the folder, relative to the program.")
	an.Describe(&c.Digest, "Digest of the cache in it. Defaults to the one that was written last.")
}

// CacheToLocal is a folder that becomes a cache.
type CacheToLocal struct {
	Dest string `pulumi:"dest"`
	CacheWriting
	LayerCompression
}

// Annotate documents the type.
func (c *CacheToLocal) Annotate(an infer.Annotator) {
	an.Describe(c, "A cache in a folder.")
	an.Describe(&c.Dest, "Path of the folder, relative to the program. Keep it out of the build context.")
}

// CacheToInline is a cache in the image.
type CacheToInline struct{}

// Annotate documents the type.
func (c *CacheToInline) Annotate(an infer.Annotator) {
	an.Describe(c, "A cache in the image itself.")
}

// CacheMode says what is kept.
type CacheMode string

// The values of CacheMode.
const (
	CacheModeMin CacheMode = "min"
	CacheModeMax CacheMode = "max"
)

// Values are the values of the enum.
func (CacheMode) Values() []infer.EnumValue[CacheMode] {
	return []infer.EnumValue[CacheMode]{
		{Name: "Min", Value: CacheModeMin, Description: "The layers of the image."},
		{Name: "Max", Value: CacheModeMax, Description: "The layers of every stage."},
	}
}

// CacheWriting is how a cache is written.
type CacheWriting struct {
	Mode        *CacheMode `pulumi:"mode,optional"`
	IgnoreError *bool      `pulumi:"ignoreError,optional"`
}

// Annotate documents the fields.
func (c *CacheWriting) Annotate(an infer.Annotator) {
	an.Describe(&c.Mode, "What is kept. Defaults to `min`.")
	an.Describe(&c.IgnoreError, "Whether the image counts although its cache cannot be written, with a warning. Defaults to false.")
}
