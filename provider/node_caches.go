package provider

import (
	"context"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
)

// placeOptions are the options that say where a cache of a kind is. Several nodes that wrote to one place at the same
// time would leave the cache of the last one.
var placeOptions = map[string][]string{
	"registry": {"ref"}, "local": {"src", "dest"}, "gha": {"scope"}, "s3": {"name"}, "azblob": {"name"},
}

// defaultPlaces are the places of caches that do not say theirs, by BuildKit.
var defaultPlaces = map[string]string{"gha": "buildkit", "s3": "buildkit"}

// cachesOfPlatform returns the caches of a platform that is built on a node of its own. It writes to a place of its
// own. It reads that place first, and then the place of a builder that builds all platforms.
func cachesOfPlatform(from, to []buildkit.Cache, platform string) (ownFrom, ownTo []buildkit.Cache) {
	for _, c := range from {
		if own, ok := placeOfPlatform(c, platform); ok {
			own.Alternative, c.Alternative = true, true
			ownFrom = append(ownFrom, own)
		}
		ownFrom = append(ownFrom, c)
	}
	for _, c := range to {
		own, _ := placeOfPlatform(c, platform)
		ownTo = append(ownTo, own)
	}
	return ownFrom, ownTo
}

// withCachesOfNodes returns the caches that a builder of several platforms reads: those that are given, and those of
// registries that nodes have written for one platform each.
func withCachesOfNodes(
	ctx context.Context, client *registry.Client, from []buildkit.Cache, platforms []string,
) []buildkit.Cache {
	ctx, stop := withinLimit(ctx, previewLimit)
	defer stop()
	var all []buildkit.Cache
	for _, c := range from {
		if c.Type == "registry" && !strings.Contains(c.Options["ref"], "@") {
			all = append(all, cachesOfNodes(ctx, client, c, platforms)...)
		}
	}
	for _, c := range from {
		c.Alternative = c.Alternative || len(all) > 0 && c.Type == "registry"
		all = append(all, c)
	}
	return all
}

// cachesOfNodes returns the caches that nodes have written beside a cache in a registry. A registry that does not
// answer has none: the daemon asks again, and says why.
func cachesOfNodes(
	ctx context.Context, client *registry.Client, c buildkit.Cache, platforms []string,
) (found []buildkit.Cache) {
	own := make([]buildkit.Cache, len(platforms))
	var group sync.WaitGroup
	for i, platform := range platforms {
		rescue.GoGroup(&group, func(error) {}, func() {
			cache, _ := placeOfPlatform(c, platform)
			tag, err := registry.ParseTag(cache.Options["ref"])
			if err != nil {
				return
			}
			if _, err := client.Resolve(ctx, tag); err == nil {
				cache.Alternative = true
				own[i] = cache
			}
		})
	}
	group.Wait()
	return slices.DeleteFunc(own, func(c buildkit.Cache) bool { return c.Type == "" })
}

// placeOfPlatform returns a cache at the place of a platform: for linux/arm64 and the reference a.io/app:cache that is
// a.io/app:cache-linux-arm64. ok is false if the cache has no place of its own, such as an inline cache.
func placeOfPlatform(c buildkit.Cache, platform string) (own buildkit.Cache, ok bool) {
	own = c
	if own.Options = maps.Clone(c.Options); own.Options == nil {
		own.Options = map[string]string{}
	}
	suffix := strings.ReplaceAll(platform, "/", "-")
	if c.Options["digest"] != "" || strings.Contains(c.Options["ref"], "@") {
		return c, false // it is fixed, and has no other place
	}
	for _, option := range placeOptions[c.Type] {
		place, given := c.Options[option]
		switch {
		case !given && defaultPlaces[c.Type] == "":
			continue
		case !given:
			place = defaultPlaces[c.Type]
		}
		if c.Type == "local" {
			own.Options[option] = path.Join(place, suffix)
		} else {
			own.Options[option] = withTagSuffix(c.Type, place, suffix)
		}
		ok = true
	}
	return own, ok
}

// withTagSuffix appends a suffix to the name of a cache, or to the tag of a reference.
func withTagSuffix(kind, place, suffix string) string {
	if kind == "registry" && !strings.Contains(place[strings.LastIndex(place, "/")+1:], ":") {
		return place + ":latest-" + suffix
	}
	names := strings.Split(place, ";") // of a bucket, all of which are written
	return strings.Join(names, "-"+suffix+";") + "-" + suffix
}
