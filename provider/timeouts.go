package provider

import (
	"fmt"
	"slices"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
)

// Timeouts shortens how long a provider waits for registries and builders. The zero Timeouts are the defaults.
//
// It is no input: only a test that meets each possible failure needs it.
type Timeouts struct {
	Request time.Duration // for one try of a request
	Stall   time.Duration // without progress of a push or a pull of the builder
	Pause   time.Duration // before each further try, of at most retryLimit
	Daemon  time.Duration // for the first answer of a builder, and for a sign of life of a BuildKit daemon
}

// retryLimit is how often a provider with a Pause asks again.
const retryLimit = 8

// ParseTimeouts parses the four durations of Timeouts, such as "2s 3s 10ms 4s". An empty text gives the defaults.
func ParseTimeouts(text string) (Timeouts, error) {
	if text == "" {
		return Timeouts{}, nil
	}
	var words [4]string
	if _, err := fmt.Sscan(text, &words[0], &words[1], &words[2], &words[3]); err != nil {
		return Timeouts{}, fmt.Errorf("%q: not four durations: %w", text, err)
	}
	var t Timeouts
	for i, d := range []*time.Duration{&t.Request, &t.Stall, &t.Pause, &t.Daemon} {
		var err error
		if *d, err = time.ParseDuration(words[i]); err != nil {
			return Timeouts{}, err
		}
	}
	return t, nil
}

// settings returns the settings of a provider that waits so long.
func (t Timeouts) settings() *settings {
	s := &settings{
		stallTimeout: t.Stall, silence: t.Daemon, dialLimit: t.Daemon, registry: registry.Options{Timeout: t.Request},
	}
	if t.Pause > 0 {
		s.registry.RetryWaits = slices.Repeat([]time.Duration{t.Pause}, retryLimit)
	}
	return s
}
