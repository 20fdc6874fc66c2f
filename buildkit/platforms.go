package buildkit

import (
	"sync"

	"github.com/containerd/platforms"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// stepPlatforms knows the platform of every step that was handed to the daemon. BuildKit's names of steps leave it out
// where a stage begins with scratch.
type stepPlatforms struct {
	mu    sync.Mutex
	known map[digest.Digest]string
}

func (s *stepPlatforms) of(step digest.Digest) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.known[step]
}

func (s *stepPlatforms) note(def *pb.Definition) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known == nil {
		s.known = map[digest.Digest]string{}
	}
	for _, data := range def.GetDef() {
		var op pb.Op
		if err := op.UnmarshalVT(data); err != nil || op.Platform == nil {
			continue // the daemon judges definitions, we only listen
		}
		p := ocispecs.Platform{OS: op.Platform.OS, Architecture: op.Platform.Architecture, Variant: op.Platform.Variant}
		s.known[digest.FromBytes(data)] = platforms.FormatAll(platforms.Normalize(p))
	}
}
