package inputs

import (
	"maps"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/login"
)

// Remotes returns the locations of the contexts that the daemon fetches. The keys are the names that these contexts
// would have as local sources.
func (f Files) Remotes() map[string]string {
	found := map[string]string{}
	if IsRemote(f.Context) {
		found[contextSource] = f.Context
	}
	for name, location := range f.Named {
		if IsRemoteNamedContext(location) {
			found[namedContextSource(name)] = location
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

// LoginSecrets returns, for each context whose URL has a login, the name of the secret to use instead. The keys are the
// names of the contexts; "" is the main one.
func (f Files) LoginSecrets() map[string]string {
	found := map[string]string{}
	for source, location := range f.Remotes() {
		if plain, hasLogin := login.Cut(location); hasLogin {
			found[contextOfSource(source)] = secretName(plain)
		}
	}
	return found
}

// QuerySecrets returns, for each context whose URL seems to have a secret in its query, the name of the secret to use
// instead. The keys are the names of the contexts; "" is the main one.
func (f Files) QuerySecrets() map[string]string {
	found := map[string]string{}
	for source, location := range f.Remotes() {
		plain, _ := login.Cut(location)
		if hasQuerySecret(plain) {
			found[contextOfSource(source)] = secretName(plain)
		}
	}
	return found
}

// addRemoteOptions adds the frontend's options for the contexts that the daemon fetches. It cuts logins from the URLs.
func (f Files) addRemoteOptions(options map[string]string) {
	f = f.WithoutLogins()
	if IsRemote(f.Context) {
		options["context"] = f.Context
		if f.hasLocalDockerfile() {
			options["dockerfilekey"] = dockerfileSource // of this machine, not of the remote context
		} else {
			delete(options, "filename")
			if f.RemoteDockerfile != "" {
				options["filename"] = f.RemoteDockerfile
			}
		}
	}
	for name, location := range f.Named {
		if IsRemoteNamedContext(location) {
			options["context:"+contextName(name)] = location
		}
	}
}
