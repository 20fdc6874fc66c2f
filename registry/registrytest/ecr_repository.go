package registrytest

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"slices"
)

// How a repository treats its tags. The exclusions of a repository turn it round for the tags that they match.
const (
	Mutable                = "MUTABLE"
	Immutable              = "IMMUTABLE"
	MutableWithExclusion   = "MUTABLE_WITH_EXCLUSION"
	ImmutableWithExclusion = "IMMUTABLE_WITH_EXCLUSION"
)

// repository is what the API knows of a repository. The content is in the registry behind, without tags.
type repository struct {
	mutability string
	exclusions []string
	tags       map[string]string
	images     map[string]*image
}

// image is what the API knows of an image or an index.
type image struct {
	mediaType string
	children  []string
	size      int64
	status    string
}

// The storage classes of an image: it is served only in the first. Activating lasts up to 20 minutes.
const (
	Active     = "ACTIVE"
	Archived   = "ARCHIVED"
	Activating = "ACTIVATING"

	anyStatus = "ANY"
)

// newRepository returns an empty repository whose tags are mutable unless mutability says more.
func newRepository(mutability string, exclusions []string) *repository {
	if mutability == "" {
		mutability = Mutable
	}
	return &repository{
		mutability: mutability,
		exclusions: exclusions,
		tags:       map[string]string{},
		images:     map[string]*image{},
	}
}

// keepsTag reports whether a tag that exists cannot move.
func (r *repository) keepsTag(tag string) bool {
	excluded := slices.ContainsFunc(r.exclusions, func(pattern string) bool { return matchesPattern(pattern, tag) })
	switch r.mutability {
	case Immutable:
		return true
	case ImmutableWithExclusion:
		return !excluded
	case MutableWithExclusion:
		return excluded
	}
	return false
}

// servedDigest returns the digest that a tag or a digest stands for; "" if the registry does not serve it.
func (r *repository) servedDigest(reference string) string {
	if held, ok := r.tags[reference]; ok {
		reference = held
	}
	if known := r.images[reference]; known == nil || known.status != Active {
		return ""
	}
	return reference
}

// matchesPattern reports whether a tag matches a pattern. A pattern has no special character but the asterisk.
func matchesPattern(pattern, tag string) bool {
	matched, err := path.Match(pattern, tag)
	return err == nil && matched
}

// remove removes a tag, or without one an image with its tags. It returns the code and the reason of a failure.
func (r *repository) remove(tag, digest string) (code, reason string) {
	switch {
	case r.images[digest] == nil:
		return "ImageNotFound", "Requested image not found"
	case tag != "" && r.tags[tag] != digest:
		return "ImageTagDoesNotMatchDigest", "The tag and the digest are not of one image"
	}
	left := r.tagsOf(digest)
	if tag != "" {
		left = slices.DeleteFunc(left, func(t string) bool { return t == tag })
	} else {
		left = nil
	}
	if parents := r.parents(digest); len(left) == 0 && len(parents) > 0 {
		return "ImageReferencedByManifestList", fmt.Sprintf("Requested image referenced by manifest list: %v", parents)
	}
	maps.DeleteFunc(r.tags, func(t, held string) bool { return held == digest && !slices.Contains(left, t) })
	if len(left) == 0 {
		delete(r.images, digest)
	}
	return "", ""
}

// parents returns the indexes that refer to an image.
func (r *repository) parents(digest string) []string {
	var parents []string
	for _, parent := range slices.Sorted(maps.Keys(r.images)) {
		if slices.Contains(r.images[parent].children, digest) {
			parents = append(parents, parent)
		}
	}
	return parents
}

// tagsOf returns the tags that hold a digest.
func (r *repository) tagsOf(digest string) []string {
	var tags []string
	for _, tag := range slices.Sorted(maps.Keys(r.tags)) {
		if r.tags[tag] == digest {
			tags = append(tags, tag)
		}
	}
	return tags
}

// isListed reports whether a filter lets an image through. An empty filter lets served images through.
func (i *image) isListed(filter string) bool {
	return filter == anyStatus || i.status == cmp.Or(filter, Active)
}
