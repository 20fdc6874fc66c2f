package registry

import (
	"context"
	"errors"
	"strings"
	"sync"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// maxRefusedTargets is how many repositories a registry may refuse the layers of another one before nobody asks for
// these again. One alone may be odd, such as one with another encryption key in Amazon ECR.
const maxRefusedTargets = 3

// Mounts remembers what clients learned about mounts: the layers of images, and which repositories a registry does not
// mount from. The zero Mounts is empty. It is safe for concurrent use.
type Mounts struct {
	mu      sync.Mutex
	layers  map[string][]ocispec.Descriptor // by image and platform
	sources map[string]*mountSource         // by repository
	locks   map[string]chan struct{}        // that one caller at a time fills
}

// mountSource is what is known of mounts from a repository.
type mountSource struct {
	mounted bool            // a layer was mounted
	refused map[string]bool // repositories into which the registry did not mount
}

// RefusesAll reports whether a registry has refused mounts and mounted nothing.
func (m *Mounts) RefusesAll(host string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	refused := false
	for repository, source := range m.sources {
		if at, _, _ := strings.Cut(repository, "/"); at != host {
			continue
		}
		if source.mounted {
			return false
		}
		refused = refused || len(source.refused) > 0
	}
	return refused
}

// IsRefused reports whether a registry does not mount from a repository into another one.
func (m *Mounts) IsRefused(from, to string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	source := m.sources[from]
	return source != nil && (source.refused[to] || !source.mounted && len(source.refused) >= maxRefusedTargets)
}

// hasMounted reports whether a registry has mounted from a repository.
func (m *Mounts) hasMounted(from string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.sources[from] != nil && m.sources[from].mounted
}

// note remembers the outcome of a mount. Any failure counts as a refusal, because the bytes are sent sooner than a
// registry recovers. A caller that gave up says nothing about the next mount.
func (m *Mounts) note(from, to string, outcome error) {
	if errors.Is(outcome, context.Canceled) {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.sources == nil {
		m.sources = map[string]*mountSource{}
	}
	if m.sources[from] == nil {
		m.sources[from] = &mountSource{refused: map[string]bool{}}
	}
	if outcome == nil {
		m.sources[from].mounted = true
		return
	}
	m.sources[from].refused[to] = true
}

// try calls mount, and remembers the outcome. Until a mount from the repository has succeeded, one caller at a time
// tries. It returns ErrNotMounted without a call if the registry is known to refuse.
func (m *Mounts) try(ctx context.Context, from, to string, mount func() error) error {
	if !m.hasMounted(from) {
		unlock, err := m.lock(ctx, "mount from "+from)
		if err != nil {
			return err
		}
		defer unlock()
	}
	if m.IsRefused(from, to) {
		return ErrNotMounted
	}
	err := mount()
	m.note(from, to, err)
	return err
}

// layersOf returns the layers of an image, which read returns if they are not known yet. One caller at a time reads.
func (m *Mounts) layersOf(
	ctx context.Context, image string, read func() ([]ocispec.Descriptor, error),
) ([]ocispec.Descriptor, error) {
	if known, ok := m.knownLayers(image); ok {
		return known, nil
	}
	unlock, err := m.lock(ctx, "layers of "+image)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if known, ok := m.knownLayers(image); ok {
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

// knownLayers returns the layers of an image that is known.
func (m *Mounts) knownLayers(image string) (layers []ocispec.Descriptor, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	layers, ok = m.layers[image]
	return layers, ok
}

// lock waits until nobody else holds the lock of a key. It returns the cause of ctx when that ends first.
func (m *Mounts) lock(ctx context.Context, key string) (unlock func(), err error) {
	m.mu.Lock()
	if m.locks == nil {
		m.locks = map[string]chan struct{}{}
	}
	if m.locks[key] == nil {
		m.locks[key] = make(chan struct{}, 1)
	}
	held := m.locks[key]
	m.mu.Unlock()
	select {
	case held <- struct{}{}:
		return func() { <-held }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
