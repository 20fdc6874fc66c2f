package buildkit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"strings"

	"github.com/moby/buildkit/client"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
)

// Cache is a place where the results of steps are kept for other builders
// (https://github.com/moby/buildkit/blob/master/README.md#cache). It has no say in what is built; only an inline cache is
// part of the image.
type Cache struct {
	Type  string            // "registry", "local", "s3", "gha", "azblob" or "inline"
	Attrs map[string]string // by BuildKit's names
}

// cacheExports are those that the build writes. BUILDKIT_INLINE_CACHE asks for one inside the image: the frontend leaves that to
// its client, as docker build does it.
func cacheExports(plan inputs.Plan, to []Cache) []Cache {
	if plan.HasInlineCache() { // BuildKit takes two inline caches for one
		to = append(to[:len(to):len(to)], Cache{Type: "inline"})
	}
	return to
}

// secretAttrs are the attributes of caches that nobody is shown.
var secretAttrs = []string{"secret_access_key", "session_token", "token", "ghtoken"}

// cacheEntries are the caches as BuildKit's client wants them, which writes into their attributes.
func (s *solve) cacheEntries(caches []Cache) []client.CacheOptionsEntry {
	var entries []client.CacheOptionsEntry
	for _, c := range caches {
		for _, name := range secretAttrs {
			s.steps.redact.learn(c.Attrs[name])
		}
		attrs := maps.Clone(c.Attrs)
		if attrs == nil {
			attrs = map[string]string{}
		}
		entries = append(entries, client.CacheOptionsEntry{Type: c.Type, Attrs: attrs})
	}
	return entries
}

// openCacheImports leaves out folders that hold no cache, as they do before the first build, and warns of them.
func (s *solve) openCacheImports(ctx context.Context, caches []Cache) []Cache {
	var there []Cache
	for _, c := range caches {
		if c.Type == "local" {
			digest, err := s.openCache(ctx, c)
			if errors.Is(err, fs.ErrNotExist) {
				err = fmt.Errorf("there is no cache in the folder %s", c.Attrs["src"])
			}
			if err != nil {
				s.steps.warn(fmt.Sprintf("cacheFrom: %v: it is built without", err))
				continue
			}
			c.Attrs = maps.Clone(c.Attrs)
			c.Attrs["digest"] = digest
		}
		there = append(there, c)
	}
	return there
}

// parseCacheFailure tells of a step that it was about a cache and failed: a build can do without, but should not in silence.
func parseCacheFailure(name, cause string) (string, bool) {
	for prefix, input := range map[string]string{"importing cache manifest from ": "cacheFrom", "exporting cache to ": "cacheTo"} {
		if strings.HasPrefix(name, prefix) {
			return fmt.Sprintf("%s: %s: %s", input, name, cause), true
		}
	}
	return "", false
}
