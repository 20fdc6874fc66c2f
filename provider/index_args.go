package provider

import (
	"context"
	"fmt"
	"reflect"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

// IndexArgs are the inputs of an Index. Every optional scalar is a pointer: nil means "not set".
type IndexArgs struct {
	Tag           string            `pulumi:"tag"`
	Sources       []string          `pulumi:"sources"`
	Push          *bool             `pulumi:"push,optional"`
	Registry      *Registry         `pulumi:"registry,optional"`
	Platforms     []Platform        `pulumi:"platforms,optional"`
	Annotations   map[string]string `pulumi:"annotations,optional"`
	SourceDigests map[string]string `pulumi:"sourceDigests,optional"`
}

// Annotate documents the inputs in the schema and in every SDK.
func (a *IndexArgs) Annotate(an infer.Annotator) {
	an.Describe(&a.Tag, "Full reference of the index, such as `ghcr.io/acme/app:1`. An update with another tag leaves "+
		"the old one as it is.")
	an.Describe(&a.Sources, "Images and indexes to take the manifests from, in this order: references with a tag or a "+
		"digest, such as the `ref` of an Image. They can be in several repositories and registries. The "+
		"attestations of an image go with it. Two sources with different images for one platform are refused. The "+
		"only source, if it is an index, is copied byte for byte.")
	an.Describe(&a.Push, "Whether to make the index. Without a push nothing is read or written, and `ref` is the tag. "+
		"Defaults to true.")
	an.Describe(&a.Registry, "A login for a registry, and how to reach it. A change is no update. For a registry "+
		"without a login here, the plugin uses the provider's `registries`, then the credentials of the cloud or of "+
		"Docker (`docker login`, credential helpers).")
	an.Describe(&a.Platforms, "The platforms to take from the sources, such as `linux/amd64`. Each must be in one of "+
		"them. Defaults to all.")
	an.Describe(&a.Annotations, "Annotations of the index. A secret among them is refused. Defaults to those of the "+
		"only source, if that is an index.")
	an.Describe(&a.SourceDigests, "The digest to take for each source with a tag, by the source as the program "+
		"writes it. Missing entries are looked up, and a preview shows which source is new. Put it into "+
		"`ignoreChanges` to keep the index as it is.")
}

// registries returns the logins of the program as those of an Image.
func (a IndexArgs) registries() []Registry {
	if a.Registry == nil {
		return nil
	}
	return []Registry{*a.Registry}
}

// pushesIndex tells whether an index is pushed. push defaults to true.
func pushesIndex(m property.Map) bool {
	v := m.Get("push")
	return !v.IsBool() || v.AsBool()
}

// decodeIndex converts inputs to their type. An unknown value becomes zero, so callers ask isKnown before they decide
// on one.
func decodeIndex(ctx context.Context, inputs property.Map) (IndexArgs, []p.CheckFailure, error) {
	return infer.DefaultCheck[IndexArgs](ctx, inputs)
}

// decodeStoredIndex converts inputs that an earlier Check accepted. A refresh may have taken the tag out of them.
func decodeStoredIndex(ctx context.Context, inputs property.Map) (IndexArgs, error) {
	for _, required := range []string{"tag", "sources"} {
		if inputs.Get(required).IsNull() {
			empty := map[string]property.Value{"tag": property.New(""), "sources": list(nil)}
			inputs = inputs.Set(required, empty[required])
		}
	}
	known := dropExtraFields(property.New(inputs), reflect.TypeFor[IndexArgs]()).AsMap()
	args, failures, err := decodeIndex(ctx, known)
	if err == nil && len(failures) > 0 {
		err = fmt.Errorf("%s: %s", failures[0].Property, failures[0].Reason)
	}
	return args, err
}
