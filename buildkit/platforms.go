package buildkit

import (
	"sync"

	"github.com/containerd/platforms"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// stepPlatforms maps every step that the daemon got to its platform. It is safe for concurrent use.
//
// BuildKit's names of steps lack the platform if a stage begins with scratch.
type stepPlatforms struct {
	mu    sync.Mutex
	known map[digest.Digest]string
}

// of returns the platform of a step; "" if it is not known.
func (s *stepPlatforms) of(step digest.Digest) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.known[step]
}

// note remembers the platforms of the steps of a definition.
func (s *stepPlatforms) note(def *pb.Definition) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known == nil {
		s.known = map[digest.Digest]string{}
	}
	for _, data := range def.GetDef() {
		var op pb.Op
		if err := op.UnmarshalVT(data); err != nil || op.Platform == nil {
			continue // it is for the daemon to refuse a malformed definition
		}
		p := ocispecs.Platform{OS: op.Platform.OS, Architecture: op.Platform.Architecture, Variant: op.Platform.Variant}
		s.known[digest.FromBytes(data)] = platforms.FormatAll(platforms.Normalize(p))
	}
}
