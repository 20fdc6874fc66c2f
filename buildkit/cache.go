package buildkit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"strings"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/login"
)

// Cache is a place that keeps the results of steps for other builders
// (https://github.com/moby/buildkit/blob/master/README.md#cache). A cache does not change the files of the image. An
// inline cache is written into the configuration of the image.
type Cache struct {
	Type    string            // "registry", "local", "s3", "gha", "azblob" or "inline"
	Options map[string]string // by BuildKit's names

	// Alternative: another cache of the build may be there in its place. A cache that is missing then causes no warning
	// if any other one was read.
	Alternative bool
}

// secretOptions are the options of caches whose values are never shown.
var secretOptions = []string{"secret_access_key", "session_token", "token", "ghtoken"}

// learnSecrets hides the secrets of caches from then on: the values of secretOptions, and the secrets in URLs.
func (s *solve) learnSecrets(caches []Cache) {
	for _, c := range caches {
		for _, value := range c.Options {
			s.secrets.logins.learn(value)
		}
		for _, name := range secretOptions {
			s.steps.redact.learn(c.Options[name])
		}
	}
}

// openLocalCaches opens the folders of local caches. It returns all caches but the local ones that cannot be read, and
// warns of those.
//
// A missing cache is no error: before the first build the folder has none.
func (s *solve) openLocalCaches(ctx context.Context, caches []Cache) []Cache {
	var usable []Cache
	for _, c := range caches {
		if c.Type == "local" {
			digest, err := s.openCache(ctx, c)
			if errors.Is(err, fs.ErrNotExist) && c.Alternative {
				continue
			}
			if errors.Is(err, fs.ErrNotExist) {
				err = fmt.Errorf("there is no cache in the folder %s", c.Options["src"])
			}
			if err != nil {
				s.log.DebugContext(ctx, "cache import left out", "cache", c, "reason", errorLine(err))
				s.steps.warn(&CacheError{Err: fmt.Errorf("%w: the image is built without this cache", err)})
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

// Beginnings of the names of the daemon's vertices that are about a cache. The export to GitHub's cache has another
// name: gitHubCache.
const (
	cacheImportPrefix = "importing cache manifest from "
	cacheExportPrefix = "exporting cache to "
)

// newCacheError returns the error of a failed vertex that was to read a cache. It returns nil for any other vertex. The
// build goes on, and the error becomes a warning.
func newCacheError(step, cause string) *CacheError {
	if !strings.HasPrefix(step, cacheImportPrefix) {
		return nil
	}
	return &CacheError{Err: errors.New(step + ": " + cause), missing: strings.HasSuffix(cause, ": not found")}
}

// cacheLocations are the options that say where a cache is. None is secret, but a URL may hold a login.
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
