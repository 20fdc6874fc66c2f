package provider

import (
	"fmt"

	"github.com/pulumi/pulumi-go-provider/infer"
)

// CacheFromS3 is a cache in a bucket.
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
	const fromEnvironment = "Defaults, when a build starts, to the environment variable `%s`, and without a key there to what the builder finds " +
		"itself, such as the role of its instance. No default is kept in the state."
	an.Describe(c, "A cache in a bucket of Amazon S3, or of a service that speaks its protocol.")
	an.Describe(&c.Region, "Region of the bucket. Defaults, when a build starts, to the environment variables `AWS_REGION` and `AWS_DEFAULT_REGION`.")
	an.Describe(&c.Bucket, "Name of the bucket.")
	an.Describe(&c.Name, "Name of the cache in it. Defaults to `buildkit`.")
	an.Describe(&c.EndpointURL, "URL of the service, when it is not Amazon's.")
	an.Describe(&c.BlobsPrefix, "What the keys of blobs begin with. Defaults to `blobs/`.")
	an.Describe(&c.ManifestsPrefix, "What the keys of manifests begin with. Defaults to `manifests/`.")
	an.Describe(&c.UsePathStyle, "Whether the bucket stands in the path of URLs and not in the host. Defaults to false.")
	an.Describe(&c.AccessKeyID, "Access key. "+fmt.Sprintf(fromEnvironment, "AWS_ACCESS_KEY_ID"))
	an.Describe(&c.SecretAccessKey, "Its secret. Defaults like `accessKeyId`, together with it.")
	an.Describe(&c.SessionToken, "The token of a temporary key. Defaults like `accessKeyId`, together with it.")
}

// CacheToS3 is a bucket that becomes a cache.
type CacheToS3 struct {
	CacheFromS3
	CacheWriting
}

// Annotate documents the type.
func (c *CacheToS3) Annotate(an infer.Annotator) {
	an.Describe(c, "A cache in a bucket of Amazon S3, or of a service that speaks its protocol.")
}

// CacheFromAzureBlob is a cache in Azure Blob Storage.
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
	an.Describe(&c.SecretAccessKey, "Key of the storage account. Without it the builder uses an identity that it finds itself.")
}

// CacheToAzureBlob is a container that becomes a cache.
type CacheToAzureBlob struct {
	CacheFromAzureBlob
	CacheWriting
}

// Annotate documents the type.
func (c *CacheToAzureBlob) Annotate(an infer.Annotator) {
	an.Describe(c, "A cache in Azure Blob Storage.")
}

// CacheFromGitHubActions is a cache of GitHub Actions.
type CacheFromGitHubActions struct {
	Scope *string `pulumi:"scope,optional"`
}

// Annotate documents the type.
func (c *CacheFromGitHubActions) Annotate(an infer.Annotator) {
	an.Describe(c, "The cache of GitHub Actions. Its address and token are taken from the environment when a build starts; `crazy-max/ghaction-github-runtime` puts them there.")
	an.Describe(&c.Scope, "The name of this cache among others of the repository: images with the same scope overwrite each other's. Defaults to `buildkit`.")
}

// CacheToGitHubActions is a cache of GitHub Actions to be written.
type CacheToGitHubActions struct {
	CacheFromGitHubActions
	CacheWriting
}

// Annotate documents the type.
func (c *CacheToGitHubActions) Annotate(an infer.Annotator) {
	an.Describe(c, "The cache of GitHub Actions, to be written.")
}
