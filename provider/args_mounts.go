package provider

import "github.com/pulumi/pulumi-go-provider/infer"

// CacheMounts says where the content of cache mounts is kept for other builders.
type CacheMounts struct {
	Ref     *string  `pulumi:"ref,optional"`
	Save    *bool    `pulumi:"save,optional"`
	IDs     []string `pulumi:"ids,optional"`
	MaxSize *string  `pulumi:"maxSize,optional"`
}

// Annotate documents the type.
func (c *CacheMounts) Annotate(an infer.Annotator) {
	an.Describe(c, "Where the content of cache mounts is kept for other builders.")
	an.Describe(&c.Ref, "A repository, such as `registry.example.com/app-mounts`. It gets one image for each mount.")
	an.Describe(&c.Save, "Whether an update that pushes saves mounts. Only your main branch should. Defaults to true.")
	an.Describe(&c.IDs, "Ids of the mounts that travel. The default id of a mount is its target. "+
		"Defaults to all mounts.")
	an.Describe(&c.MaxSize, "How much of a mount travels, such as `500m` or `2g`; the oldest files stay behind. "+
		"Defaults to `1g`.")
}
