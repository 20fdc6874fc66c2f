package buildkit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"strings"

	"github.com/moby/buildkit/client"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/login"
)

// Cache is a place that keeps the results of steps for other builders
// (https://github.com/moby/buildkit/blob/master/README.md#cache). A cache does not change what is built. Only an inline
// cache is part of the image.
type Cache struct {
	Type    string            // "registry", "local", "s3", "gha", "azblob" or "inline"
	Options map[string]string // by BuildKit's names
}

// cacheExports returns the caches that the build writes. It adds an inline cache if the argument BUILDKIT_INLINE_CACHE
// asks for one. The frontend leaves that argument to its client, and docker build does the same.
func cacheExports(plan inputs.Plan, to []Cache) []Cache {
	if plan.HasInlineCache() { // BuildKit treats two inline caches as one
		to = append(to[:len(to):len(to)], Cache{Type: "inline"})
	}
	return to
}

// secretOptions are the options of caches that are never shown.
var secretOptions = []string{"secret_access_key", "session_token", "token", "ghtoken"}

// cacheEntries converts caches for BuildKit's client and hides their secrets from then on. It copies the options,
// because the client writes into them.
func (s *solve) cacheEntries(caches []Cache) []client.CacheOptionsEntry {
	var entries []client.CacheOptionsEntry
	for _, c := range caches {
		for _, name := range secretOptions {
			s.steps.redact.learn(c.Options[name])
		}
		options := maps.Clone(c.Options)
		if options == nil {
			options = map[string]string{}
		}
		entries = append(entries, client.CacheOptionsEntry{Type: c.Type, Attrs: options})
	}
	return entries
}

// openCacheImports opens the folders of caches and returns the caches that can be read. It warns of the others.
//
// A folder has no cache before the first build.
func (s *solve) openCacheImports(ctx context.Context, caches []Cache) []Cache {
	var usable []Cache
	for _, c := range caches {
		if c.Type == "local" {
			digest, err := s.openCache(ctx, c)
			if errors.Is(err, fs.ErrNotExist) {
				err = fmt.Errorf("there is no cache in the folder %s", c.Options["src"])
			}
			if err != nil {
				s.log.DebugContext(ctx, "cache import left out", "cache", c, "reason", errorLine(err))
				s.steps.warn(&CacheError{Err: fmt.Errorf("%w: it is built without", err)})
				continue
			}
			c.Options = maps.Clone(c.Options)
			c.Options["digest"] = digest
		}
		s.log.DebugContext(ctx, "cache import", "cache", c)
		usable = append(usable, c)
	}
	return usable
}

// Beginnings of the names of the daemon's steps that are about a cache. See also gitHubCache.
const (
	cacheImportPrefix = "importing cache manifest from "
	cacheExportPrefix = "exporting cache to "
)

// newCacheError returns the error of a step that failed and was about a cache; nil for any other step.
//
// A build goes on without such a cache, but a person must see a warning.
func newCacheError(step, cause string) *CacheError {
	_, isExport := cutCacheExport(step)
	if !isExport && !strings.HasPrefix(step, cacheImportPrefix) {
		return nil
	}
	return &CacheError{Export: isExport, Err: errors.New(step + ": " + cause)}
}

// cacheLocations are the options that say where a cache is. They hold no secret but a login in a URL.
var cacheLocations = []string{"ref", "src", "dest", "bucket", "name", "scope"}

// LogValue returns the type of the cache and where it is. Other options may be secret.
func (c Cache) LogValue() slog.Value {
	attrs := []slog.Attr{slog.String("type", c.Type)}
	for _, name := range cacheLocations {
		if value := c.Options[name]; value != "" {
			attrs = append(attrs, slog.String(name, login.Hide(value)))
		}
	}
	return slog.GroupValue(attrs...)
}
