package buildkit

import (
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/dfgitutil"
)

// IsRemote tells whether a main context is fetched by the daemon itself: a git repository, as BuildKit recognizes one
// (https://host/repo.git#branch:folder, git://…, git@host:repo), or an archive at an http or https URL.
func IsRemote(location string) bool {
	if _, isGit, _ := dfgitutil.ParseGitRef(location); isGit {
		return true
	}
	return strings.HasPrefix(location, "http://") || strings.HasPrefix(location, "https://")
}

// IsRemoteNamed tells the same of a named context, which can be an image too: docker-image://reference.
func IsRemoteNamed(location string) bool {
	return strings.HasPrefix(location, "docker-image://") || IsRemote(location) && strings.Contains(location, "://")
}

// remoteAttrs are the frontend's options for contexts that the daemon fetches, without their logins.
func (f Files) remoteAttrs(attrs map[string]string) {
	f = f.withoutLogins()
	if IsRemote(f.Context) {
		attrs["context"] = f.Context
		if f.ownDockerfile() {
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

// ownDockerfile tells whether the Dockerfile comes from this machine.
func (f Files) ownDockerfile() bool { return f.Dockerfile != "" || f.Inline != nil }

// remotes are the locations of the contexts that the daemon fetches, by local source.
func (f Files) remotes() map[string]string {
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
