package provider

import "github.com/pulumi/pulumi-go-provider/infer"

func describeExports(a *ImageArgs, an infer.Annotator) {
	an.Describe(&a.Exports, "What a build writes beside the image that it pushes, and how it writes that image. "+
		"A preview that builds writes files and folders too, so that the same program can read them. What was "+
		"written is written again if it is missing, such as on another machine. An empty folder counts as missing, "+
		"unless this machine knows that the image has no files. The build that writes it again leaves the pushed "+
		"image as it is, and may take newer base images than that has, unless `baseDigests` or `pull` say which. "+
		"Deleting the resource keeps what was written.")
	an.Describe(&a.Load, "Whether to load the image into a Docker Engine, under its `tags`: the engine that "+
		"`DOCKER_HOST` names, or that of the current Docker context. An engine with the containerd image store also "+
		"takes several platforms and attestations. Defaults to false.")
}

// Export is something that a build writes. Exactly one member sets its kind.
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
	an.Describe(e, "Something that a build writes: exactly one kind.")
	an.Describe(&e.Tar, "The files of the image, as an archive. This alone makes no image.")
	an.Describe(&e.Local, "The files of the image, in a folder. This alone makes no image.")
	an.Describe(&e.Registry, "How to write the image that is pushed. It is pushed to `tags` or, without any, to "+
		"`names`.")
	an.Describe(&e.Image, "How to write the image, pushed or not. An image that is not pushed is made for its "+
		"`digest` only.")
	an.Describe(&e.OCI, "The image in the OCI layout, as an archive or a folder.")
	an.Describe(&e.Docker, "The image as `docker save` writes it. Without `dest` it is loaded, as with `load`.")
	an.Describe(&e.CacheOnly, "Nothing: the build only fills caches, and no image is made. A build without "+
		"`tags` does the same; with `tags`, set `push` to false.")
	an.Describe(&e.Raw, "The options of an export in one line, as `docker buildx build --output` takes them: "+
		"`type=oci,dest=image.tar`.")
	an.Describe(&e.Disabled, "Whether to leave this entry out. Defaults to false.")
}

// ExportTar writes the files of the image as an archive.
type ExportTar struct {
	Dest string `pulumi:"dest"`
}

// Annotate documents the type.
func (e *ExportTar) Annotate(an infer.Annotator) {
	an.Describe(e, "The files of an image, as an archive. Several platforms get a folder each in it.")
	an.Describe(&e.Dest, "Path of the archive, relative to the program. Keep it out of the build context.")
}

// ExportLocal writes the files of the image to a folder.
type ExportLocal struct {
	Dest string      `pulumi:"dest"`
	Mode *ExportMode `pulumi:"mode,optional"`
}

// Annotate documents the type.
func (e *ExportLocal) Annotate(an infer.Annotator) {
	an.Describe(e, "The files of an image, in a folder. Several platforms get a folder each in it. Only plain "+
		"files are written: without setuid and setgid bits, and no devices, FIFOs and sockets. `tar` keeps them.")
	an.Describe(&e.Dest, "Path of the folder, relative to the program. Keep it out of the build context.")
	an.Describe(&e.Mode, "What happens to files that are in the folder and not in the image. Defaults to `copy`.")
}

// ExportMode says what happens to files that are in a folder and not in the image.
type ExportMode string

// The values of ExportMode.
const (
	ExportModeCopy   ExportMode = "copy"
	ExportModeDelete ExportMode = "delete"
)

// Values implements infer.Enum.
func (ExportMode) Values() []infer.EnumValue[ExportMode] {
	return []infer.EnumValue[ExportMode]{
		{Name: "Copy", Value: ExportModeCopy, Description: "They stay."},
		{Name: "Delete", Value: ExportModeDelete, Description: "They are removed, so the folder has the files of the " +
			"image and no others. A preview removes them only if an update has done so on this machine before. An " +
			"older builder refuses it."},
	}
}

// ExportRegistry says how to write the image that is pushed.
type ExportRegistry struct{ ExportImage }

// Annotate documents the type.
func (e *ExportRegistry) Annotate(an infer.Annotator) {
	an.Describe(e, "How to write an image that is pushed.")
}

// ExportImage says how to write the image, pushed or not.
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
	an.Describe(e, "How to write an image.")
	an.Describe(&e.OCIMediaTypes, "Whether to use OCI media types. Defaults to true.")
	an.Describe(&e.Annotations, "Annotations of the manifests, besides the image's `annotations`.")
	an.Describe(&e.Names, "Full references of the image, if it has no `tags`.")
	an.Describe(&e.Push, "Whether to push the image, even if the image's `push` is false. Defaults to true for "+
		"`registry`, and to the image's `push` for `image`.")
	an.Describe(&e.PushByDigest, "Whether to push the image without a tag. `ref` is then its digest in the first "+
		"repository of `tags` or `names`. Deleting the resource leaves the image. Defaults to false.")
	an.Describe(&e.Insecure, "Whether to push over plain HTTP, as with `insecure` in `registries` for the hosts of "+
		"the image. Defaults to false.")
	an.Describe(&e.DanglingNamePrefix, "Name of an image without a tag in the builder's image store: `prefix@digest`.")
	an.Describe(&e.NameCanonical, "Whether the builder's image store also gets the name `name@digest`. Defaults "+
		"to false.")
	an.Describe(&e.Unpack, "Whether the builder's image store unpacks the image. Defaults to false.")
	an.Describe(&e.Store, "Whether the builder's image store keeps the image, if the builder has one. Defaults "+
		"to false.")
}

// ExportOCI writes the image in the OCI layout.
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
	an.Describe(&e.Tar, "Whether to write an archive instead of a folder. Defaults to true.")
	an.Describe(&e.OCIMediaTypes, "Whether to use OCI media types. Defaults to true.")
	an.Describe(&e.Annotations, "Annotations of the manifests in it.")
	an.Describe(&e.Names, "Names of the image in it, if the image has no `tags`.")
}

// ExportDocker writes the image as docker save does.
type ExportDocker struct{ ExportOCI }

// Annotate documents the type.
func (e *ExportDocker) Annotate(an infer.Annotator) {
	an.Describe(e, "An image of one platform as `docker save` writes it.")
}

// ExportCacheOnly writes nothing.
type ExportCacheOnly struct{}

// Annotate documents the type.
func (e *ExportCacheOnly) Annotate(an infer.Annotator) {
	an.Describe(e, "Nothing.")
}
