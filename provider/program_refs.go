package provider

import (
	"slices"
	"sync"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// programRefs holds the references of each image of the program that runs. Delete keeps them.
//
// recentPushes holds those that one run pushed. A later run may delete what an interrupted replacement left behind. It
// pushes nothing, so only Check tells which references are in use. In a destroy or a refresh no program runs, and
// nothing is checked.
type programRefs struct {
	mu      sync.Mutex
	byImage map[resource.URN][]string
}

func newProgramRefs() *programRefs { return &programRefs{byImage: map[resource.URN][]string{}} }

// set records the references that an image will have.
func (p *programRefs) set(urn resource.URN, refs []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.byImage[urn] = refs
}

// add records more references of an image. It records nothing if the image was not checked.
func (p *programRefs) add(urn resource.URN, refs []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if before, ok := p.byImage[urn]; ok {
		p.byImage[urn] = slices.Concat(before, refs)
	}
}

// has tells whether an image of the program has this reference.
func (p *programRefs) has(ref string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, refs := range p.byImage {
		if slices.Contains(refs, ref) {
			return true
		}
	}
	return false
}
