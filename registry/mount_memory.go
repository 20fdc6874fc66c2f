package registry

import (
	"errors"
	"sync"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Mounts remembers what clients learned about mounts: the layers of images, and which repositories a registry does not
// mount from. The zero Mounts is empty. It is safe for concurrent use.
type Mounts struct {
	mu      sync.Mutex
	layers  map[string][]ocispec.Descriptor // by image and platform
	mounted map[string]bool                 // repositories from which a layer was mounted
	refused map[string]bool                 // repositories from which the registry did not mount a layer
}

// isRefused reports whether a registry mounts nothing from a repository. One that has mounted from it may refuse a
// single target, such as one with another encryption key in Amazon ECR.
func (m *Mounts) isRefused(from string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.refused[from] && !m.mounted[from]
}

// note remembers the outcome of a mount from a repository: success, or ErrNotMounted. Another error says nothing about
// the next mount.
func (m *Mounts) note(from string, outcome error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.mounted == nil {
		m.mounted, m.refused = map[string]bool{}, map[string]bool{}
	}
	m.mounted[from] = m.mounted[from] || outcome == nil
	m.refused[from] = m.refused[from] || errors.Is(outcome, ErrNotMounted)
}

// layersOf returns the layers of an image, which read returns if they are not known yet.
func (m *Mounts) layersOf(image string, read func() ([]ocispec.Descriptor, error)) ([]ocispec.Descriptor, error) {
	m.mu.Lock()
	known, ok := m.layers[image]
	m.mu.Unlock()
	if ok {
		return known, nil
	}
	found, err := read()
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.layers == nil {
		m.layers = map[string][]ocispec.Descriptor{}
	}
	m.layers[image] = found
	return found, nil
}
