package provider

import "github.com/pulumi/pulumi-go-provider/infer"

func (a *ImageArgs) describeExports(an infer.Annotator) {
	an.Describe(&a.Exports, "What a build leaves beside the image that it pushes, and how that image is written. A preview leaves nothing. What "+
		"was left stays when the resource is deleted, and is not missed when it is gone.")
	an.Describe(&a.Load, "Whether to load the image, under its `tags`, into the Docker Engine that `DOCKER_HOST` names, or the one of this "+
		"machine. It takes an image of one platform. Defaults to false.")
}

// Export is something that a build leaves: one of its members.
type Export struct {
	Tar       *ExportTar       `pulumi:"tar,optional"`
	Local     *ExportLocal     `pulumi:"local,optional"`
	Registry  *ExportRegistry  `pulumi:"registry,optional"`
	Image     *ExportImage     `pulumi:"image,optional"`
	OCI       *ExportOCI       `pulumi:"oci,optional"`
	Docker    *ExportDocker    `pulumi:"docker,optional"`
	CacheOnly *ExportCacheOnly `pulumi:"cacheonly,optional"`
	Raw       *string          `pulumi:"raw,optional"`
	Disabled  *bool            `pulumi:"disabled,optional"`
}

// Annotate documents the type.
func (e *Export) Annotate(an infer.Annotator) {
	an.Describe(e, "Something that a build leaves: one of its members.")
	an.Describe(&e.Tar, "The files of the image, as an archive. For these alone no image is made.")
	an.Describe(&e.Local, "The files of the image, in a folder. For these alone no image is made.")
	an.Describe(&e.Registry, "How the image is written that is pushed to `tags`.")
	an.Describe(&e.Image, "How the image is written, whether it is pushed or not. An image that is not pushed is made for its `digest` alone.")
	an.Describe(&e.OCI, "The image in the layout of OCI, as an archive or a folder.")
	an.Describe(&e.Docker, "The image as `docker save` writes it. Without `dest` it is loaded, as `load` does.")
	an.Describe(&e.CacheOnly, "Nothing: the build fills caches only, and no image is made. So it is without `tags` anyway; with `tags`, set `push` to false.")
	an.Describe(&e.Raw, "An export as `docker buildx build --output` takes it: `type=oci,dest=image.tar`.")
	an.Describe(&e.Disabled, "Whether to leave this entry out. Defaults to false.")
}

// ExportTar is an archive of files.
type ExportTar struct {
	Dest string `pulumi:"dest"`
}

// Annotate documents the type.
func (e *ExportTar) Annotate(an infer.Annotator) {
	an.Describe(e, "The files of an image, as an archive. Several platforms have a folder each in it.")
	an.Describe(&e.Dest, "Path of the archive, relative to the program. Keep it out of the build context.")
}

// ExportLocal is a folder of files.
type ExportLocal struct {
	Dest string `pulumi:"dest"`
}

// Annotate documents the type.
func (e *ExportLocal) Annotate(an infer.Annotator) {
	an.Describe(e, "The files of an image, in a folder. Several platforms have a folder each in it. Only plain files are written: setuid "+
		"and setgid bits are removed, and devices, FIFOs and sockets left out; `tar` keeps them.")
	an.Describe(&e.Dest, "Path of the folder, relative to the program. What is there stays. Keep it out of the build context.")
}

// ExportRegistry is how a pushed image is written.
type ExportRegistry struct{ ExportImage }

// Annotate documents the type.
func (e *ExportRegistry) Annotate(an infer.Annotator) {
	an.Describe(e, "How an image is written that is pushed.")
}

// ExportImage is how an image is written.
type ExportImage struct {
	LayerCompression
	OCIMediaTypes      *bool             `pulumi:"ociMediaTypes,optional"`
	Annotations        map[string]string `pulumi:"annotations,optional"`
	Names              []string          `pulumi:"names,optional"`
	Push               *bool             `pulumi:"push,optional"`
	PushByDigest       *bool             `pulumi:"pushByDigest,optional"`
	Insecure           *bool             `pulumi:"insecure,optional"`
	DanglingNamePrefix *string           `pulumi:"danglingNamePrefix,optional"`
	NameCanonical      *bool             `pulumi:"nameCanonical,optional"`
	Unpack             *bool             `pulumi:"unpack,optional"`
	Store              *bool             `pulumi:"store,optional"`
}

// Annotate documents the type.
func (e *ExportImage) Annotate(an infer.Annotator) {
	an.Describe(e, "How an image is written.")
	an.Describe(&e.OCIMediaTypes, "Whether to use the media types of OCI. Defaults to true.")
	an.Describe(&e.Annotations, "Annotations of the manifests, beside the image's `annotations`.")
	an.Describe(&e.Names, "There is nothing to name here: the image goes to `tags`.")
	an.Describe(&e.Push, "Only what the image's `push` says.")
	an.Describe(&e.PushByDigest, "Not to be set: every image is pushed by digest first, and then `tags` are pointed at it.")
	an.Describe(&e.Insecure, "Not to be set: `registries` have it, for the host that it is about.")
	an.Describe(&e.DanglingNamePrefix, "What an image without a name is called in the builder's image store: `prefix@digest`.")
	an.Describe(&e.NameCanonical, "Whether the builder's image store also gets the name `name@digest`. Defaults to false.")
	an.Describe(&e.Unpack, "Whether the builder's image store unpacks the image. Defaults to false.")
	an.Describe(&e.Store, "Whether the builder's image store keeps the image, if it has one. Defaults to false.")
}

// ExportOCI is an image in the layout of OCI.
type ExportOCI struct {
	LayerCompression
	Dest          *string           `pulumi:"dest,optional"`
	Tar           *bool             `pulumi:"tar,optional"`
	OCIMediaTypes *bool             `pulumi:"ociMediaTypes,optional"`
	Annotations   map[string]string `pulumi:"annotations,optional"`
	Names         []string          `pulumi:"names,optional"`
}

// Annotate documents the type.
func (e *ExportOCI) Annotate(an infer.Annotator) {
	an.Describe(e, "An image as an archive or a folder.")
	an.Describe(&e.Dest, "Path of the archive or folder, relative to the program. Keep it out of the build context.")
	an.Describe(&e.Tar, "Whether it is an archive and not a folder. Defaults to true.")
	an.Describe(&e.OCIMediaTypes, "Whether to use the media types of OCI. Defaults to true.")
	an.Describe(&e.Annotations, "Annotations of the manifests in it.")
	an.Describe(&e.Names, "What it is called in it, when the image has no `tags`.")
}

// ExportDocker is an image as docker save writes it.
type ExportDocker struct{ ExportOCI }

// Annotate documents the type.
func (e *ExportDocker) Annotate(an infer.Annotator) {
	an.Describe(e, "An image of one platform as `docker save` writes it.")
}

// ExportCacheOnly leaves nothing.
type ExportCacheOnly struct{}

// Annotate documents the type.
func (e *ExportCacheOnly) Annotate(an infer.Annotator) {
	an.Describe(e, "Nothing.")
}
