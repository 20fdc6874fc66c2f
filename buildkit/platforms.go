package buildkit

import (
	"context"
	"sync"

	"github.com/containerd/platforms"
	"github.com/moby/buildkit/frontend/dockerfile/builder"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
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

// frontend is the Dockerfile frontend, overheard.
func (s *stepPlatforms) frontend(ctx context.Context, c gateway.Client) (*gateway.Result, error) {
	return builder.Build(ctx, overheard{Client: c, platforms: s})
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

// overheard passes requests on to the daemon and notes the platforms of their steps.
type overheard struct {
	gateway.Client
	platforms *stepPlatforms
}

func (o overheard) Solve(ctx context.Context, req gateway.SolveRequest) (*gateway.Result, error) {
	o.platforms.note(req.Definition)
	return o.Client.Solve(ctx, req)
}
