package inputs

import (
	"maps"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/login"
)

// Remotes returns the locations of the contexts that the daemon fetches, by local source.
func (f Files) Remotes() map[string]string {
	found := map[string]string{}
	if IsRemote(f.Context) {
		found[contextSource] = f.Context
	}
	for name, location := range f.Named {
		if IsRemoteNamed(location) {
			found[localName(name)] = location
		}
	}
	return found
}

// WithoutLogins returns the files with the logins cut from the locations that the daemon fetches.
func (f Files) WithoutLogins() Files {
	f.Named = maps.Clone(f.Named)
	f.Context, _ = login.Cut(f.Context)
	for name, location := range f.Named {
		f.Named[name], _ = login.Cut(location)
	}
	return f
}

// Logins returns the names of the secrets that would replace the logins in the URLs of contexts. The keys are the names
// of the contexts; "" is the main one.
func (f Files) Logins() map[string]string {
	found := map[string]string{}
	for source, location := range f.Remotes() {
		if plain, hasLogin := login.Cut(location); hasLogin {
			found[contextOfSource(source)] = secretName(plain)
		}
	}
	return found
}

// QueryTokens returns the names of the secrets that could replace tokens in the queries of the URLs of contexts. The
// keys are the names of the contexts; "" is the main one.
func (f Files) QueryTokens() map[string]string {
	found := map[string]string{}
	for source, location := range f.Remotes() {
		plain, _ := login.Cut(location)
		if hasQueryToken(plain) {
			found[contextOfSource(source)] = secretName(plain)
		}
	}
	return found
}

// addRemoteAttrs adds the frontend's options for contexts that the daemon fetches, without their logins.
func (f Files) addRemoteAttrs(attrs map[string]string) {
	f = f.WithoutLogins()
	if IsRemote(f.Context) {
		attrs["context"] = f.Context
		if f.hasLocalDockerfile() {
			attrs["dockerfilekey"] = definitionSource // ours, not the one in the remote context
		} else {
			delete(attrs, "filename")
		}
	}
	for name, location := range f.Named {
		if IsRemoteNamed(location) {
			attrs["context:"+contextName(name)] = location
		}
	}
}
