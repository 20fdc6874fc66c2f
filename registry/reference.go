package registry

import (
	"errors"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// Reference names an image in a registry, by a tag or by its digest. It is comparable.
type Reference struct {
	// Tag is the tag, or "latest" of the repository where only a digest was given.
	Tag Tag
	// Digest is what a reference with a digest names, whatever the tag holds; "" without one.
	Digest string
}

// ParseReference reads a reference as docker does: host/path:tag, host/path@digest or host/path:tag@digest. A name
// without a host and a namespace, such as alpine:3.20, is an official image of Docker Hub.
//
// It returns a *TagError for the part before the digest, and an error for a digest that is none.
func ParseReference(s string) (Reference, error) {
	name, digest := s, ""
	if at := digestPattern.FindStringIndex(s); at != nil {
		name, digest = s[:at[0]], s[at[0]+1:]
		if _, err := parseDigest(digest); err != nil {
			return Reference{}, err
		}
	}
	tag, err := ParseTag(name)
	if problem, ok := errors.AsType[*fault.Error](err); ok && problem.Kind == fault.TagBare {
		tag, err = ParseTag(fault.DockerHub + "/library/" + name)
	}
	return Reference{Tag: tag, Digest: digest}, err
}

// Repository returns the canonical host/path.
func (r Reference) Repository() string { return r.Tag.Repository() }

// String returns the canonical host/path:tag, or host/path@digest where there is a digest.
func (r Reference) String() string {
	if r.Digest == "" {
		return r.Tag.String()
	}
	return r.Repository() + "@" + r.Digest
}
