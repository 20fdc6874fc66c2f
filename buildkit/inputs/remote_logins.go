package inputs

import (
	"maps"
	"strings"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/login"
)

// WithoutLogins returns the files with the logins cut from the locations that the daemon fetches.
func (f Files) WithoutLogins() Files {
	f.Named = maps.Clone(f.Named)
	f.Context, _ = login.Cut(f.Context)
	for name, location := range f.Named {
		f.Named[name], _ = login.Cut(location)
	}
	return f
}

// Logins returns the secrets that would stand in for the logins in the URLs of contexts, by the name of the context; ""
// is the main one.
func (f Files) Logins() map[string]string {
	found := map[string]string{}
	for source, location := range f.Remotes() {
		if plain, has := login.Cut(location); has {
			found[sourceContext(source)] = secretName(plain)
		}
	}
	return found
}

// sourceContext returns the name of the context of a source; "" is the main one.
func sourceContext(source string) string {
	if source == contextSource {
		return ""
	}
	return strings.TrimPrefix(source, localName(""))
}
