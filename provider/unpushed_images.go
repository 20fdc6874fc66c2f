package provider

import (
	"slices"
	"sync"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
)

// Limits of what unpushedImages keep.
const (
	unpushedKept  = 256
	unpushedBytes = 64 << 20
)

// unpushedImages are the images that previews of this process built and did not push. Other images of the preview can
// be built on them, on the same builder.
//
// A digest says all of an image, so that one of an earlier preview cannot be wrong. Its layers may be gone from the
// builder.
type unpushedImages struct {
	mu     sync.Mutex
	images []unpushedImage // the oldest first
}

// unpushedImage is an image that a builder built and no registry has.
type unpushedImage struct {
	digest   string
	endpoint string // of the builder
	content  *buildkit.UnpushedImage
}

// add keeps an image, and drops the oldest ones if there are too many.
func (u *unpushedImages) add(one unpushedImage) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.images = append(slices.DeleteFunc(u.images, func(other unpushedImage) bool {
		return other.digest == one.digest && other.endpoint == one.endpoint
	}), one)
	bytes := 0
	for i, kept := range slices.Backward(u.images) {
		if bytes += kept.content.Size(); bytes > unpushedBytes || len(u.images)-i > unpushedKept {
			u.images = slices.Delete(u.images, 0, i+1)
			return
		}
	}
}

// find returns the images with a digest: one for each builder that has it, the oldest first.
func (u *unpushedImages) find(digest string) (found []unpushedImage) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, one := range u.images {
		if one.digest == digest {
			found = append(found, one)
		}
	}
	return found
}
