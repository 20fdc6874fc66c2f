package provider

import "github.com/pulumi/pulumi-go-provider/infer"

// CacheFromS3 is a cache to import from a bucket.
type CacheFromS3 struct {
	Region          *string `pulumi:"region,optional"`
	Bucket          string  `pulumi:"bucket"`
	Name            *string `pulumi:"name,optional"`
	EndpointURL     *string `pulumi:"endpointUrl,optional"`
	BlobsPrefix     *string `pulumi:"blobsPrefix,optional"`
	ManifestsPrefix *string `pulumi:"manifestsPrefix,optional"`
	UsePathStyle    *bool   `pulumi:"usePathStyle,optional"`
	AccessKeyID     *string `pulumi:"accessKeyId,optional"`
	SecretAccessKey *string `pulumi:"secretAccessKey,optional" provider:"secret"`
	SessionToken    *string `pulumi:"sessionToken,optional" provider:"secret"`
}

// Annotate documents the type.
func (c *CacheFromS3) Annotate(an infer.Annotator) {
	an.Describe(c, "A cache in a bucket of Amazon S3, or of a service with the same protocol.")
	an.Describe(&c.Region, "Region of the bucket. Defaults to the environment variable `AWS_REGION`, or else "+
		"`AWS_DEFAULT_REGION`, read when a build starts.")
	an.Describe(&c.Bucket, "Name of the bucket.")
	an.Describe(&c.Name, "Name of the cache in the bucket. Defaults to `buildkit`.")
	an.Describe(&c.EndpointURL, "URL of the service, if it is not Amazon S3.")
	an.Describe(&c.BlobsPrefix, "Prefix of the keys of blobs. Defaults to `blobs/`.")
	an.Describe(&c.ManifestsPrefix, "Prefix of the keys of manifests. Defaults to `manifests/`.")
	an.Describe(&c.UsePathStyle, "Whether URLs have the bucket in the path and not in the host. Defaults to false.")
	an.Describe(&c.AccessKeyID, "Access key. If none is set, the builder looks for credentials itself, such as "+
		"the role of its instance. A value from the environment is not kept in the state. Defaults to the "+
		"environment variable `AWS_ACCESS_KEY_ID`, read when a build starts.")
	an.Describe(&c.SecretAccessKey, "Secret of the access key. Defaults to `AWS_SECRET_ACCESS_KEY`, if "+
		"`accessKeyId` comes from the environment.")
	an.Describe(&c.SessionToken, "Token of a temporary access key. Defaults to `AWS_SESSION_TOKEN`, if "+
		"`accessKeyId` comes from the environment.")
}

// CacheToS3 is a cache to export to a bucket.
type CacheToS3 struct {
	CacheFromS3
	CacheWriting
}

// Annotate documents the type.
func (c *CacheToS3) Annotate(an infer.Annotator) {
	an.Describe(c, "A cache in a bucket of Amazon S3, or of a service with the same protocol.")
}

// CacheFromAzureBlob is a cache to import from Azure Blob Storage.
type CacheFromAzureBlob struct {
	Name            string  `pulumi:"name"`
	AccountURL      *string `pulumi:"accountUrl,optional"`
	SecretAccessKey *string `pulumi:"secretAccessKey,optional" provider:"secret"`
}

// Annotate documents the type.
func (c *CacheFromAzureBlob) Annotate(an infer.Annotator) {
	an.Describe(c, "A cache in Azure Blob Storage.")
	an.Describe(&c.Name, "Name of the cache.")
	an.Describe(&c.AccountURL, "URL of the storage account, such as `https://shop.blob.core.windows.net`.")
	an.Describe(&c.SecretAccessKey, "Key of the storage account. Without it, the builder uses an identity that "+
		"it finds itself.")
}

// CacheToAzureBlob is a cache to export to Azure Blob Storage.
type CacheToAzureBlob struct {
	CacheFromAzureBlob
	CacheWriting
}

// Annotate documents the type.
func (c *CacheToAzureBlob) Annotate(an infer.Annotator) {
	an.Describe(c, "A cache in Azure Blob Storage.")
}

// CacheFromGitHubActions is a cache of GitHub Actions to import.
type CacheFromGitHubActions struct {
	Scope *string `pulumi:"scope,optional"`
}

// Annotate documents the type.
func (c *CacheFromGitHubActions) Annotate(an infer.Annotator) {
	an.Describe(c, "The cache of GitHub Actions. Its address and token come from the environment when a build "+
		"starts; `crazy-max/ghaction-github-runtime` puts them there.")
	an.Describe(&c.Scope, "Name of the cache in the repository. Images with the same scope overwrite each "+
		"other's cache. Defaults to `buildkit`.")
}

// CacheToGitHubActions is a cache of GitHub Actions to export.
type CacheToGitHubActions struct {
	CacheFromGitHubActions
	CacheWriting
}

// Annotate documents the type.
func (c *CacheToGitHubActions) Annotate(an infer.Annotator) {
	an.Describe(c, "The cache of GitHub Actions, to write.")
}
