package provider

import "github.com/pulumi/pulumi-go-provider/infer"

func describeCaches(a *ImageArgs, an infer.Annotator) {
	an.Describe(&a.CacheFrom, "Caches to import: the builder takes steps from them that it has not built itself. "+
		"A cache that cannot be read gives a warning. A change never causes a build.")
	an.Describe(&a.CacheTo, "Caches to export, for other builders to import. They are written after the tags have "+
		"moved; one that cannot be written gives a warning. A preview exports none. A change never causes a build.")
	an.Describe(&a.CacheMounts, "Where the content of cache mounts (`RUN --mount=type=cache`) is kept for other "+
		"builders. No change builds.")
}

// CacheFrom is a cache to import. Exactly one member sets its kind.
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
	an.Describe(c, "A cache to import: exactly one kind.")
	an.Describe(&c.Registry, "An image in a registry that holds a cache, or an image with an inline cache.")
	an.Describe(&c.Local, "A folder on this machine.")
	an.Describe(&c.S3, "A bucket of Amazon S3, or of a service with the same protocol.")
	an.Describe(&c.GHA, "The cache of GitHub Actions. Outside of a job of GitHub Actions, the entry is left out.")
	an.Describe(&c.AZBlob, "A container of Azure Blob Storage.")
	an.Describe(&c.Raw, "The options of a cache in one line, as `docker buildx build --cache-from` takes them: "+
		"`type=registry,ref=…`. A credential in it is stored as plain text, unless the whole text is a secret.")
	an.Describe(&c.Disabled, "Whether to leave this entry out. Defaults to false.")
}

// CacheTo is a cache to export. Exactly one member sets its kind.
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
	an.Describe(c, "A cache to export: exactly one kind.")
	an.Describe(&c.Registry, "An image in a registry that holds a cache.")
	an.Describe(&c.Local, "A folder on this machine.")
	an.Describe(&c.S3, "A bucket of Amazon S3, or of a service with the same protocol.")
	an.Describe(&c.GHA, "The cache of GitHub Actions. Outside of a job of GitHub Actions, the entry is left out.")
	an.Describe(&c.AZBlob, "A container of Azure Blob Storage.")
	an.Describe(&c.Inline, "The image itself. It then contains what other builders need to reuse the layers of "+
		"its last stage.")
	an.Describe(&c.Raw, "The options of a cache in one line, as `docker buildx build --cache-to` takes them: "+
		"`type=registry,ref=…`. A credential in it is stored as plain text, unless the whole text is a secret.")
	an.Describe(&c.Disabled, "Whether to leave this entry out. Defaults to false.")
}

// CacheFromRegistry is a cache to import from a registry.
type CacheFromRegistry struct {
	Ref string `pulumi:"ref"`
}

// Annotate documents the type.
func (c *CacheFromRegistry) Annotate(an infer.Annotator) {
	an.Describe(c, "A cache in a registry.")
	an.Describe(&c.Ref, "Reference of the cache, such as `123456789012.dkr.ecr.eu-west-1.amazonaws.com/app:cache`. "+
		"Options can stand behind it, as in `registry.example.com/app:cache,mode=max`; members come before them.")
}

// CacheToRegistry is a cache to export to a registry.
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
	an.Describe(&c.OCIMediaTypes, "Whether to use OCI media types. Defaults to true.")
	an.Describe(&c.ImageManifest, "Whether to write an image manifest instead of an index. Amazon ECR accepts "+
		"nothing else. It needs `ociMediaTypes`. Defaults to the value of `ociMediaTypes`.")
}

// CacheFromLocal is a cache to import from a folder.
type CacheFromLocal struct {
	Src    string  `pulumi:"src"`
	Digest *string `pulumi:"digest,optional"`
}

// Annotate documents the type.
func (c *CacheFromLocal) Annotate(an infer.Annotator) {
	an.Describe(c, "A cache in a folder.")
	an.Describe(&c.Src, "Path of the folder, relative to the program.")
	an.Describe(&c.Digest, "Digest of the cache in the folder. Defaults to the one that was written last.")
}

// CacheToLocal is a cache to export to a folder.
type CacheToLocal struct {
	Dest  string `pulumi:"dest"`
	Reset *bool  `pulumi:"reset,optional"`
	CacheWriting
	LayerCompression
}

// Annotate documents the type.
func (c *CacheToLocal) Annotate(an infer.Annotator) {
	an.Describe(c, "A cache in a folder.")
	an.Describe(&c.Dest, "Path of the folder, relative to the program. Keep it out of the build context.")
	an.Describe(&c.Reset, "Whether to remove from the folder what earlier builds have left and this one does not "+
		"need. Defaults to false.")
}

// CacheToInline is a cache to export into the image itself.
type CacheToInline struct{}

// Annotate documents the type.
func (c *CacheToInline) Annotate(an infer.Annotator) {
	an.Describe(c, "A cache in the image itself.")
}

// CacheMode says which layers a cache keeps.
type CacheMode string

// The values of CacheMode.
const (
	CacheModeMin CacheMode = "min"
	CacheModeMax CacheMode = "max"
)

// Values implements infer.Enum.
func (CacheMode) Values() []infer.EnumValue[CacheMode] {
	return []infer.EnumValue[CacheMode]{
		{Name: "Min", Value: CacheModeMin, Description: "The layers of the image."},
		{Name: "Max", Value: CacheModeMax, Description: "The layers of every stage."},
	}
}

// CacheWriting holds the options of every cache export.
type CacheWriting struct {
	Mode        *CacheMode `pulumi:"mode,optional"`
	IgnoreError *bool      `pulumi:"ignoreError,optional"`
}

// Annotate documents the fields.
func (c *CacheWriting) Annotate(an infer.Annotator) {
	an.Describe(&c.Mode, "Which layers to keep. Defaults to `min`.")
	an.Describe(&c.IgnoreError, "Whether a cache that cannot be written is only mentioned. By default it gives a "+
		"warning, and fails the update if caches are all that the build makes. Defaults to false.")
}
