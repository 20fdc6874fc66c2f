package provider

import (
	"slices"
	"sync"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
)

// silentMirrors remembers which mirrors gave no answer, by their addresses, and registries that have mirrors. Later
// images of a run do not wait for them.
type silentMirrors struct {
	mu    sync.Mutex
	until map[string]time.Time
}

// without returns the mirrors that may answer, in their order: those that were not silent within absenceLifetime.
func (s *silentMirrors) without(mirrors []string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(mirrors), func(mirror string) bool {
		return time.Now().Before(s.until[mirror])
	})
}

// record remembers the mirrors that gave no answer. It does not remember one that refused a login or has another
// certificate: the next image may have another login or authority for it.
func (s *silentMirrors) record(failed []*registry.MirrorError) {
	for _, f := range failed {
		if registry.IsSilent(f.Cause) {
			s.add(f.Mirror)
		}
	}
}

// add remembers that nothing answered at an address.
func (s *silentMirrors) add(address string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.until == nil {
		s.until = map[string]time.Time{}
	}
	s.until[address] = time.Now().Add(absenceLifetime)
}
