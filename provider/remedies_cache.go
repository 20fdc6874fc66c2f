package provider

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/file"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/login"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
)

// cacheLoss is a cache that was not written.
type cacheLoss struct {
	cache  buildkit.Cache
	cause  error
	remedy string // "" if the cause has one
}

// newCacheLoss returns the error of a cache that was not written because of err.
func newCacheLoss(c buildkit.Cache, err error) *cacheLoss {
	if pushed, ok := errors.AsType[*registry.PushError](err); ok { // the cache is named in its place
		err = cmp.Or(pushed.Unwrap(), err)
	}
	if errors.Is(err, context.Canceled) {
		err = context.Canceled // the plugin says no more of it
	}
	explained := explainRegistry(err)
	loss := &cacheLoss{cache: c, cause: explained}
	if !errors.As(explained, new(*remediedError)) {
		loss.remedy = cacheExportRemedy(err)
	}
	return loss
}

// Error names the cache, the cause and the remedy.
func (e *cacheLoss) Error() string {
	text := fmt.Sprintf("cacheTo: %s was not written: %v", cacheName(e.cache), e.cause)
	if e.remedy != "" {
		text += "; " + e.remedy
	}
	return text
}

// Unwrap returns the cause.
func (e *cacheLoss) Unwrap() error { return e.cause }

// cacheExportRemedy returns the remedy for a cache that could not be written. It returns "" if there is nothing to do.
func cacheExportRemedy(err error) string {
	switch {
	case errors.Is(err, context.Canceled):
		return ""
	case errors.As(err, new(*buildkit.RepeatedStepError)):
		return "it may lack disk space for all images that it builds: give it more"
	case errors.As(err, new(*buildkit.CacheSetupError)):
		return "correct the cache, or take another builder"
	case errors.As(err, new(*buildkit.CacheFileError)):
		return "remove it"
	case errors.As(err, new(*file.LinkError)):
		return "write the path of its target in dest, or let the link lead into the project"
	case connectionRemedy(err) != "":
		return connectionRemedy(err)
	}
	return "look at the registry or the storage that it goes to"
}

// cacheName returns where a cache is, for people.
func cacheName(c buildkit.Cache) string {
	place := ""
	for _, option := range []string{"ref", "dest", "src", "scope", "bucket", "name"} {
		if value := c.Options[option]; value != "" && place == "" {
			place = login.Hide(value)
		}
	}
	if c.Type == "registry" || c.Type == "local" {
		return place
	}
	if place = cmp.Or(place, defaultPlaces[c.Type]); place == "" {
		return c.Type
	}
	return c.Type + " " + place
}
