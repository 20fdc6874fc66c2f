package buildkit

import (
	"context"
	"errors"

	"github.com/containerd/platforms"
	"github.com/moby/buildkit/client"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// Served says for which platforms a daemon runs steps.
type Served struct {
	own   ocispecs.Platform   // of the machine
	all   []ocispecs.Platform // in the daemon's order
	texts []string            // of all
}

// AskServed asks a daemon for which platforms it runs steps. It returns an error if the daemon has no worker.
func AskServed(ctx context.Context, c *client.Client) (Served, error) {
	workers, err := c.ListWorkers(ctx)
	if err != nil {
		return Served{}, err
	}
	if len(workers) == 0 || len(workers[0].Platforms) == 0 {
		return Served{}, errors.New("the daemon has no worker")
	}
	return NewServed(workers[0].Platforms), nil
}

// NewServed returns what a worker serves. The first platform of a worker is that of its machine, and the others are
// variants that the machine runs too, or are emulated.
func NewServed(all []ocispecs.Platform) Served {
	s := Served{own: all[0], all: all}
	for _, p := range all {
		s.texts = append(s.texts, formatPlatform(p))
	}
	return s
}

// Natively reports whether the daemon's machine runs a platform without emulation.
func (s Served) Natively(platform string) bool {
	p, err := platforms.Parse(platform)
	if err != nil || !s.Serves(platform) {
		return false
	}
	p = platforms.Normalize(p)
	isVariant := p.OS == s.own.OS && p.Architecture == s.own.Architecture
	return isVariant || platforms.Only(s.own).Match(p)
}

// Serves reports whether the daemon runs steps for a platform, emulated or not.
func (s Served) Serves(platform string) bool {
	p, err := platforms.Parse(platform)
	return err == nil && len(s.all) > 0 && platforms.Any(s.all...).Match(platforms.Normalize(p))
}

// Platforms returns the platforms in the daemon's order.
func (s Served) Platforms() []string { return s.texts }
