package provider

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/distribution/reference"
	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/property"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
)

// mirrors returns the mirrors of the configuration by the canonical host of their registry, with hosts in lower case.
func (c Config) mirrors() map[string][]string {
	found := map[string][]string{}
	for host, addresses := range c.Mirrors {
		for _, address := range addresses {
			found[registry.Host(host)] = append(found[registry.Host(host)], lowerHost(address))
		}
	}
	return found
}

// lowerHost returns an address host[:port][/path] with its host in lower case, as package registry has the hosts of
// logins.
func lowerHost(address string) string {
	host, path, ok := strings.Cut(address, "/")
	if !ok {
		return strings.ToLower(host)
	}
	return strings.ToLower(host) + "/" + path
}

// withMirrorHosts returns the hosts of registries, and those of their mirrors.
func (c Config) withMirrorHosts(hosts []string) []string {
	all, mirrors := slices.Clone(hosts), c.mirrors()
	for _, host := range hosts {
		for _, address := range mirrors[registry.Host(host)] {
			mirror, _, _ := strings.Cut(address, "/")
			all = append(all, mirror)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// withoutEmptyMirrors returns a configuration without the registries for which it has no mirrors, and their hosts.
//
// Package infer panics on an empty list in a map.
func withoutEmptyMirrors(config property.Map) (rest property.Map, empty []string) {
	mirrors := config.Get("mirrors")
	if !mirrors.IsMap() {
		return config, nil
	}
	kept := mirrors.AsMap()
	for host, addresses := range mirrors.AsMap().AllStable {
		if addresses.IsNull() || addresses.IsArray() && addresses.AsArray().Len() == 0 {
			kept, empty = kept.Delete(host), append(empty, host)
		}
	}
	return config.Set("mirrors", property.WithGoValue(mirrors, kept)), empty
}

// noMirrorText is the failure of an empty list.
const noMirrorText = "it has no mirror: give an address, such as mirror.example.com, or leave the registry out"

// checkFunc is the method CheckConfig of a provider.
type checkFunc func(context.Context, p.CheckRequest) (p.CheckResponse, error)

// withEmptyMirrors adds a failure for each registry that has no mirror in a configuration.
func withEmptyMirrors(check checkFunc) checkFunc {
	return func(ctx context.Context, req p.CheckRequest) (p.CheckResponse, error) {
		var empty []string
		req.Inputs, empty = withoutEmptyMirrors(req.Inputs)
		res, err := check(ctx, req)
		for _, host := range empty {
			res.Failures = append(res.Failures, p.CheckFailure{
				Property: under("mirrors", host),
				Reason:   noMirrorText,
			})
		}
		return res, err
	}
}

// checkMirrors requires the host of a registry for each key, and addresses of mirrors.
func checkMirrors(c *checker, mirrors map[string][]string) {
	seen := map[string]string{}
	for _, host := range slices.Sorted(maps.Keys(mirrors)) {
		path, canonical := under("mirrors", host), registry.Host(host)
		err := mirrorAddressError(host)
		if err == nil && strings.Contains(host, "/") {
			err = errors.New("it has a path: mirrors are those of a whole registry")
		}
		if err != nil {
			c.failWithoutValue(path, "this is not the host of a registry, such as docker.io: "+err.Error())
		}
		if other, twice := seen[canonical]; twice && err == nil {
			c.fail(path, "%q and %q are one registry: keep one of them", host, other)
		}
		seen[canonical] = host
		if len(mirrors[host]) == 0 && !c.unknownAt(key("mirrors"), key(host)) {
			c.fail(path, noMirrorText)
		}
		for i, address := range mirrors[host] {
			if !c.unknownAt(key("mirrors"), key(host), index(i)) {
				checkMirror(c, fmt.Sprintf("%s[%d]", path, i), canonical, address)
			}
		}
	}
}

// checkMirror checks the address of a mirror of a registry at a path of the configuration.
func checkMirror(c *checker, path, host, address string) {
	if err := mirrorAddressError(address); err != nil {
		// The value is not shown: it may hold a login.
		c.failWithoutValue(path, "this is not the address of a mirror, such as mirror.example.com or "+
			"mirror.example.com:5000/docker-hub: "+err.Error())
		return
	}
	if registry.Host(address) == host && !strings.Contains(address, "/") {
		c.fail(path, "%q is the registry itself, which is asked after its mirrors: leave it out", address)
	}
}

// mirrorAddressError returns an error that says why a text is not host[:port][/path], or nil. It quotes nothing.
func mirrorAddressError(address string) error {
	switch {
	case strings.TrimSpace(address) == "":
		return errors.New("it is empty")
	case strings.Contains(address, "@"):
		return errors.New("it has a login: give that in registries, with the host as the address")
	case strings.Contains(address, "://"):
		return errors.New("it has a scheme: leave that out. Plain HTTP needs insecure for the host in registries, " +
			"unless it is on the loopback of this machine")
	}
	host, _, _ := strings.Cut(address, "/")
	if !strings.ContainsAny(host, ".:") && host != "localhost" {
		return errors.New("its host has neither a dot nor a port: write the full name, or :443 after it")
	}
	if _, err := reference.ParseNormalizedNamed(lowerHost(address) + "/image"); err != nil {
		return errors.New("it is not host[:port][/path] with a path in lower case")
	}
	return nil
}

// warnOfFailedMirrors warns once for each mirror that gave no answer about a tag.
func (s *settings) warnOfFailedMirrors(ctx context.Context, tag registry.Tag, failed []*registry.MirrorError) {
	for _, f := range failed {
		if s.isFirst("mirror " + f.Mirror) {
			loggerOf(ctx).warnf("pull: %v; %s is asked instead", explainMirror(f), tag.Host())
		}
	}
}

// warnOfMirrors warns once for each builder that decides by itself whether it asks a mirror.
func (f *builderFinder) warnOfMirrors(b builder) {
	if len(f.config.Mirrors) == 0 || b.isEmbedded() || b.container != nil {
		return
	}
	f.warnOnce(fmt.Sprintf("mirrors have no effect on %s, which takes them from its own configuration. %s",
		b.name(), mirrorRemedy(b)))
}
