package inputs

import (
	"os"
	"regexp"
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

// schemePattern matches locations that are remote whatever is on this machine.
var schemePattern = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*://`)

// LocateContext returns the location of a main context in the form in which IsRemote knows it for what it is. A folder that is there
// is a folder, also where its name could be that of a git repository: github.com/acme/app becomes ./github.com/acme/app. Anything
// else stays as it is: a location with a scheme, and the name of a file or of nothing.
//
// docker build has the same rule (IsLocalDir before IsRemoteURL in build/opt.go of docker/buildx).
func LocateContext(location string) string {
	if schemePattern.MatchString(location) || !IsRemote(location) {
		return location
	}
	if info, err := os.Stat(location); err != nil || !info.IsDir() {
		return location
	}
	return "./" + location
}

// IsRemoteNamed tells the same of a named context, which can be an image too: docker-image://reference.
func IsRemoteNamed(location string) bool {
	return strings.HasPrefix(location, "docker-image://") || IsRemote(location) && strings.Contains(location, "://")
}

// remoteAttrs are the frontend's options for contexts that the daemon fetches, without their logins.
func (f Files) remoteAttrs(attrs map[string]string) {
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

// HasNamed tells whether a named context stands in for an image.
func (f Files) HasNamed(ref string) bool {
	for name := range f.Named {
		if contextName(name) == contextName(ref) {
			return true
		}
	}
	return false
}

// hasLocalDockerfile tells whether the Dockerfile comes from this machine.
func (f Files) hasLocalDockerfile() bool { return f.Dockerfile != "" || f.Inline != nil }

// Remotes are the locations of the contexts that the daemon fetches, by local source.
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
