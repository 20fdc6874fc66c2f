package registrytest

import (
	"fmt"
	"maps"
	"slices"
)

// batchDeleteImage removes tags, an image with its last tag, and by digest an image with all its tags. What an index
// refers to stays.
func batchDeleteImage(r *repository, in input) (any, error) {
	deleted, failed := []any{}, []any{}
	for _, id := range in.ImageIDs {
		answer := map[string]any{"imageTag": id.Tag, "imageDigest": id.Digest}
		if id.Tag == "" {
			delete(answer, "imageTag")
		}
		digest := id.Digest
		if digest == "" {
			digest = r.tags[id.Tag]
		}
		code, reason := r.remove(id.Tag, digest)
		if code != "" {
			failed = append(failed, map[string]any{"imageId": answer, "failureCode": code, "failureReason": reason})
			continue
		}
		answer["imageDigest"] = digest
		deleted = append(deleted, answer)
	}
	return map[string]any{"imageIds": deleted, "failures": failed}, nil
}

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

// parents are the indexes that refer to an image.
func (r *repository) parents(digest string) []string {
	var parents []string
	for _, parent := range slices.Sorted(maps.Keys(r.images)) {
		if slices.Contains(r.images[parent].children, digest) {
			parents = append(parents, parent)
		}
	}
	return parents
}
