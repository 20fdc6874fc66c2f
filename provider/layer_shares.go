package provider

import (
	"context"
	"sync"
)

// layerShares has images that push the same layers to one registry push one after the other, as long as no push has
// brought them there. The next push finds the layers in the registry, in the repository of the first one. The zero
// layerShares is empty. It is safe for concurrent use.
type layerShares struct {
	mu     sync.Mutex
	images map[string]bool // that the engine has asked for
	pushes []*layerPush    // that have not ended, in the order in which they began
	pushed map[string]bool // layers that pushes have brought to a registry
}

// layerPush is a push that has begun.
type layerPush struct {
	layers map[string]bool // by registry and digest
	ended  chan struct{}   // closed when it has ended
}

// expect notes that the engine asks for an image.
func (s *layerShares) expect(image string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.images == nil {
		s.images = map[string]bool{}
	}
	s.images[image] = true
}

// hasSeveral tells whether the engine has asked for several images.
func (s *layerShares) hasSeveral() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.images) > 1
}

// join adds a push of layers. The caller ends it, once or more often.
func (s *layerShares) join(layers []string) *layerPush {
	p := &layerPush{layers: map[string]bool{}, ended: make(chan struct{})}
	for _, layer := range layers {
		p.layers[layer] = true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pushes = append(s.pushes, p)
	return p
}

// end ends a push. succeeded says that its layers are in the registry.
func (s *layerShares) end(p *layerPush, succeeded bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, other := range s.pushes {
		if other != p {
			continue
		}
		s.pushes = append(s.pushes[:i:i], s.pushes[i+1:]...)
		close(p.ended)
		break
	}
	if s.pushed == nil {
		s.pushed = map[string]bool{}
	}
	for layer := range p.layers {
		s.pushed[layer] = s.pushed[layer] || succeeded
	}
}

// blocker returns the first push before p that brings a layer of p to the registry, and all of these layers. It returns
// nil if there is none.
//
// A push waits only for those that began before it, so that no two wait for each other.
func (s *layerShares) blocker(p *layerPush) (first *layerPush, common []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, other := range s.pushes {
		if other == p {
			return nil, nil
		}
		for layer := range p.layers {
			if other.layers[layer] && !s.pushed[layer] {
				common = append(common, layer)
			}
		}
		if len(common) > 0 {
			return other, common
		}
	}
	return nil, nil
}

// drop removes a layer from a push, because its repository has it.
func (s *layerShares) drop(p *layerPush, layer string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(p.layers, layer)
}

// wait waits until no push before p brings a layer of p to the registry, or until ctx ends. has tells whether the
// repository of p has a layer already; it is asked once for each layer. begin is called before the first wait, and the
// end that it returns after the last one.
func (s *layerShares) wait(ctx context.Context, p *layerPush, has func(layer string) bool, begin func() (end func())) {
	asked := map[string]bool{}
	var end func()
	for {
		first, common := s.blocker(p)
		if first == nil {
			break
		}
		isNew := false
		for _, layer := range common {
			if asked[layer] {
				continue
			}
			if asked[layer], isNew = true, true; has(layer) {
				s.drop(p, layer)
			}
		}
		if isNew {
			continue
		}
		if end == nil {
			end = begin()
		}
		select {
		case <-first.ended:
		case <-ctx.Done():
			end()
			return
		}
	}
	if end != nil {
		end()
	}
}
