package provider

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/property"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/endpoint"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/shell"
)

// allowsInsecureTCP tells whether the provider may reach a daemon on another machine without TLS.
func (c Config) allowsInsecureTCP() bool {
	if c.AllowInsecureTCP != nil {
		return *c.AllowInsecureTCP
	}
	return os.Getenv("PULUMI_BUILDKIT_ALLOW_INSECURE_TCP") == "1"
}

// cacheReferences returns the references of caches in registries. They count in a preview too, although a preview
// exports no caches, because the program names them.
func cacheReferences(inputs property.Map) (refs []string) {
	for _, key := range []string{"cacheFrom", "cacheTo"} {
		list := inputs.Get(key)
		if !list.IsArray() {
			continue
		}
		for _, entry := range list.AsArray().All {
			if !entry.IsMap() {
				continue
			}
			if raw, err := rawCache(text(entry.AsMap(), "raw")); err == nil {
				refs = append(refs, raw.Options["ref"])
			}
			if cache := entry.AsMap().Get("registry"); cache.IsMap() {
				if options, err := referenceOptions(text(cache.AsMap(), "ref")); err == nil {
					refs = append(refs, options["ref"])
				}
			}
		}
	}
	if mounts := inputs.Get("cacheMounts"); mounts.IsMap() {
		refs = append(refs, text(mounts.AsMap(), "ref"))
	}
	return slices.DeleteFunc(refs, func(ref string) bool { return ref == "" })
}

// explainRefusal adds a remedy to the error of a build that asked for more than it may: how to allow it.
func explainRefusal(err error, config Config) error {
	if tcp, ok := errors.AsType[*endpoint.InsecureTCPError](err); ok {
		return fmt.Errorf("%w. Reach it through an SSH tunnel (ssh -N -L 1234:localhost:1234 HOST, then "+
			"tcp://localhost:1234), or set allowInsecureTcp in the configuration of the provider, "+
			"or PULUMI_BUILDKIT_ALLOW_INSECURE_TCP=1", tcp)
	}
	if frontend, ok := errors.AsType[*buildkit.FrontendError](err); ok {
		return fmt.Errorf("%w. %s", frontend, frontendRemedy(frontend.Reference, len(config.Frontends)))
	}
	if reach, ok := errors.AsType[*buildkit.ReachError](err); ok {
		return fmt.Errorf("%w. %s", reach, reachRemedy(reach))
	}
	return err
}

// frontendRemedy returns how to allow a frontend, as the entry with this index.
//
// The Dockerfile names the frontend, and people copy commands from errors. So a command is shown only for a valid
// reference.
func frontendRemedy(ref string, index int) string {
	if buildkit.CheckFrontend(ref) != nil {
		return "It is not a valid reference of an image, and cannot be allowed: correct the # syntax= line or " +
			"BUILDKIT_SYNTAX"
	}
	return fmt.Sprintf("If you trust it, allow it in the configuration of the provider: "+
		"pulumi config set --path 'buildkit:frontends[%d]' %s", index, shell.Quote(ref))
}

// plainData matches text that stands for itself in a string of any language. It has no quotes, and nothing that Pulumi
// YAML, a template or a shell would replace.
var plainData = regexp.MustCompile(`^[A-Za-z0-9:/?#@!&*+,;=._~%()\[\]-]+$`)

// reachRemedy returns how the program allows the builder to fetch something.
//
// The Dockerfile names what to fetch. So a line to copy is shown only if it is plain data in every language.
func reachRemedy(reach *buildkit.ReachError) string {
	if reach.Cause != nil {
		return "Correct its name or this machine's DNS, and try again. " + namingRemedy(reach)
	}
	return namingRemedy(reach)
}

// namingRemedy tells how the program names a location or its registry.
func namingRemedy(reach *buildkit.ReachError) string {
	if reach.Image {
		if !plainData.MatchString(reach.Host) {
			return "If it is meant, correct the name of its registry, and name that in registries of the program"
		}
		return fmt.Sprintf("If it is meant, name the registry in the program: registries: [{ address: %q }]",
			reach.Host)
	}
	location := reach.NamedLocation()
	if !plainData.MatchString(location) {
		return "If it is meant, name a file or repository of that host in the program, as the location of a named " +
			"context"
	}
	return fmt.Sprintf("If it is meant, name it in the program: "+
		"context: { named: { download: { location: %q } } }", location)
}

// locationPath returns the property path of a context's location. The main context has the name "".
func locationPath(name string) string {
	if name == "" {
		return "context.location"
	}
	return under("context.named", name) + ".location"
}

// querySecretWarnings returns warnings about locations with a secret in the query of their URL. A query cannot be cut
// off as a login can, because it is a part of the address.
func querySecretWarnings(files inputs.Files) []string {
	var warnings []string
	secrets := files.QuerySecrets()
	for _, name := range slices.Sorted(maps.Keys(secrets)) {
		warnings = append(warnings, fmt.Sprintf("%s: the query of its URL seems to have a secret, which becomes a "+
			"part of the provenance that is pushed, of what the builder keeps on its disk, and of contextHash. Write "+
			"the URL without it, and give it in secrets, as %s, or download the file in a step with a secret mount",
			locationPath(name), secrets[name]))
	}
	return warnings
}

// loginWarnings returns warnings about locations with a login in their URL.
func loginWarnings(files inputs.Files) []string {
	var warnings []string
	logins := files.LoginSecrets()
	for _, name := range slices.Sorted(maps.Keys(logins)) {
		path := locationPath(name)
		warnings = append(warnings, fmt.Sprintf("%s: its URL has a login, which everybody with access to the "+
			"program or its state can read. Write the URL without it, and give its password in secrets, as %s",
			path, logins[name]))
	}
	return warnings
}
