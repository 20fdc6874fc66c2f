package provider

import (
	"strings"

	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

// IndexState holds the outputs of an Index: the inputs as they were applied, without credentials, and the digests.
type IndexState struct {
	Tag           string              `pulumi:"tag"`
	Sources       []string            `pulumi:"sources"`
	Push          *bool               `pulumi:"push,optional"`
	Platforms     []Platform          `pulumi:"platforms,optional"`
	Annotations   map[string]string   `pulumi:"annotations,optional"`
	SourceDigests map[string]string   `pulumi:"sourceDigests,optional"`
	Digest        string              `pulumi:"digest"`
	Ref           string              `pulumi:"ref"`
	RepoDigest    string              `pulumi:"repoDigest"`
	Manifests     map[string]Manifest `pulumi:"manifests"`
}

// Annotate documents the outputs in the schema and in every SDK.
func (s *IndexState) Annotate(an infer.Annotator) {
	an.Describe(&s.Tag, "The tag that holds the index.")
	an.Describe(&s.Sources, "The sources as the program gave them.")
	an.Describe(&s.Push, "Whether the index was to be pushed.")
	an.Describe(&s.Platforms, "The platforms as the program gave them.")
	an.Describe(&s.Annotations, "The annotations that were applied.")
	an.Describe(&s.SourceDigests, "The digest that was taken for each source with a tag.")
	an.Describe(&s.Digest, "The digest of the index: `sha256:…`. Empty if nothing was pushed.")
	an.Describe(&s.Ref, "The tag with the digest: `host/repository:tag@sha256:…`. The tag alone if nothing was "+
		"pushed.")
	an.Describe(&s.RepoDigest, "The repository with the digest: `host/repository@sha256:…`. Name this in a "+
		"deployment. Empty if nothing was pushed.")
	an.Describe(&s.Manifests, "The manifest of each platform, by platform. AWS Lambda, for example, takes a single "+
		"manifest and no index. Empty if nothing was pushed.")
}

// indexStateOf reads the state from the outputs of an index. Those of docker-build have no digest but that in ref.
func indexStateOf(outputs property.Map) state {
	s := state{outputs: outputs, digest: text(outputs, "digest")}
	ref, digest, _ := strings.Cut(text(outputs, "ref"), "@")
	if s.digest == "" {
		s.digest = digest
	}
	if s.digest != "" && ref != "" {
		s.refs = []string{ref}
	}
	return s
}

// mirrorIndex returns the inputs that the outputs repeat.
func mirrorIndex(inputs property.Map) property.Map {
	out := property.Map{}
	for _, key := range watchedIndexInputs() {
		if v, ok := inputs.GetOk(key); ok {
			out = out.Set(key, v)
		}
	}
	return out
}

// setIndex sets the outputs that follow from the digest and the tag that holds it.
func setIndex(out property.Map, tag, repository, digest string) property.Map {
	return out.
		Set("digest", property.New(digest)).
		Set("ref", property.New(tag+"@"+digest)).
		Set("repoDigest", property.New(repository+"@"+digest))
}

// setNoIndex sets the outputs of an index that is not pushed.
func setNoIndex(out property.Map, tag property.Value) property.Map {
	return out.
		Set("digest", property.New("")).
		Set("ref", tag).
		Set("repoDigest", property.New("")).
		Set("manifests", manifestsValue(nil, nil))
}
