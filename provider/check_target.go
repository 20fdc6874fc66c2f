package provider

import (
	"fmt"
	"strings"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
)

func checkPlatforms(c *checker) {
	seen := map[string]Platform{}
	for i, platform := range c.args.Platforms {
		if c.unknownAt(key("platforms"), index(i)) {
			continue
		}
		normal, err := normalizePlatform(string(platform))
		if err != nil {
			c.fail(fmt.Sprintf("platforms[%d]", i), "%v", err)
			continue
		}
		if other, twice := seen[normal]; twice && !c.isSecret("platforms") {
			c.warn("platforms[%d]: %q and %q are one platform, %s, which counts once: keep one of them",
				i, platform, other, normal)
		}
		seen[normal] = platform
	}
}

func checkPush(c *checker) {
	if !namesKnown(c.raw) || !pushes(c.raw) || len(namesOf(c.raw)) > 0 || c.hasFailure("tags") {
		return
	}
	if deref(c.args.Push) {
		c.fail("push", "push is true but there is nothing to push to: add tags, such as registry.example.com/app:v1")
	}
	for _, e := range imageEntries(c.raw) {
		if e.push && !c.hasFailure(e.path) {
			c.fail(e.path, "it pushes the image, but there is nothing to push to: add tags, such as "+
				"registry.example.com/app:v1, or names to it")
		}
	}
}

func checkPushTimeout(c *checker) {
	if t := c.args.PushTimeout; t != nil && *t < 1 && isKnown(c.raw, "pushTimeout") && !c.hasFailure("pushTimeout") {
		c.fail("pushTimeout", "%d seconds are too short for a push: give at least 1, or leave it out for 300", *t)
	}
}

func checkRegistries(c *checker) {
	for i, r := range c.args.Registries {
		if !c.unknownAt(key("registries"), index(i)) {
			checkRegistry(c, fmt.Sprintf("registries[%d]", i), r)
		}
	}
}

// checkRegistry checks a login at a path.
func checkRegistry(c *checker, path string, r Registry) {
	if strings.TrimSpace(r.Address) == "" {
		c.fail(path+".address", "a login needs the host of its registry, such as ghcr.io")
	}
	if r.CAFile != nil && deref(r.Insecure) {
		c.fail(path+".caFile", "it has no effect with insecure, which uses no certificate: leave one of the two out")
	}
}

// checkFrontends requires a valid reference for each frontend of the provider's configuration.
func checkFrontends(c *checker, frontends []string) {
	for i, entry := range frontends {
		if err := buildkit.CheckFrontend(entry); err != nil && !c.unknownAt(key("frontends"), index(i)) {
			c.fail(fmt.Sprintf("frontends[%d]", i),
				"%q is not the reference of an image, such as ghcr.io/acme/frontend or ghcr.io/acme/frontend:1: %v",
				entry, err)
		}
	}
}

func checkWatch(c *checker) {
	if w := c.args.Watch; w != nil && *w != WatchAuto && *w != WatchAll && isKnown(c.raw, "watch") {
		c.fail("watch", "%q is not known: it is auto or all", *w)
	}
}
