package provider

import (
	"context"
	"slices"
	"sync"
	"time"
)

const (
	// layerPollInterval is the pause between two questions whether a layer has arrived.
	layerPollInterval = 500 * time.Millisecond
	// maxLayerPlaces bounds the repositories that are remembered for a layer, and so the mounts that are tried.
	maxLayerPlaces = 3
)

// sharedLayer is a layer in a registry.
type sharedLayer struct{ host, digest string }

// layerShares has images that push the same layers to one registry wait for each other until the first push has brought
// a layer. The registry then mounts it for the others. The zero layerShares is empty. It is safe for concurrent use.
type layerShares struct {
	mu      sync.Mutex
	images  map[string]bool // that the engine has asked for
	pushes  []*layerPush    // that have not ended, in the order in which they began
	places  map[sharedLayer][]string
	polled  map[sharedLayer]time.Time // when somebody last asked whether it has arrived
	changed chan struct{}             // closed when a push ends or a layer arrives
}

// layerPush is a push that has begun.
type layerPush struct {
	layers map[sharedLayer]bool
	// repositories are those that get the image first, by registry.
	repositories map[string]string
	// has asks whether a repository of the push has a layer. It returns false if nobody knows.
	has func(ctx context.Context, repository, digest string) bool
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

// join adds a push. The caller ends it, once or more often.
func (s *layerShares) join(p *layerPush) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pushes = append(s.pushes, p)
}

// end ends a push. succeeded says that its layers are in the registry.
func (s *layerShares) end(p *layerPush, succeeded bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pushes = slices.DeleteFunc(s.pushes, func(other *layerPush) bool { return other == p })
	for layer := range p.layers {
		if succeeded {
			s.addPlace(layer, p.repositories[layer.host])
		}
	}
	s.wake()
}

// arrive notes that a repository has a layer.
func (s *layerShares) arrive(layer sharedLayer, repository string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.addPlace(layer, repository)
	s.wake()
}

// addPlace remembers a repository that has a layer. The caller holds s.mu.
func (s *layerShares) addPlace(layer sharedLayer, repository string) {
	if s.places == nil {
		s.places = map[sharedLayer][]string{}
	}
	known := s.places[layer]
	if len(known) < maxLayerPlaces && !slices.Contains(known, repository) {
		s.places[layer] = append(slices.Clip(known), repository)
	}
}

// wake ends what waits for a change. The caller holds s.mu.
func (s *layerShares) wake() {
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
}

// nextChange returns a channel that is closed at the next change.
func (s *layerShares) nextChange() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changed == nil {
		s.changed = make(chan struct{})
	}
	return s.changed
}

// placesOf returns the repositories that are known to have a layer.
func (s *layerShares) placesOf(layer sharedLayer) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.places[layer]
}

// bringer returns the first push before p that brings a layer to the registry, or nil.
//
// A push waits only for those that began before it, so that no two wait for each other.
func (s *layerShares) bringer(p *layerPush, layer sharedLayer) *layerPush {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, other := range s.pushes {
		if other == p {
			return nil
		}
		if other.layers[layer] {
			return other
		}
	}
	return nil
}

// takePoll tells whether it is the caller's turn to ask whether a layer has arrived.
func (s *layerShares) takePoll(layer sharedLayer) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if now.Sub(s.polled[layer]) < layerPollInterval {
		return false
	}
	if s.polled == nil {
		s.polled = map[sharedLayer]time.Time{}
	}
	s.polled[layer] = now
	return true
}
