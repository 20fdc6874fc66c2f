package inputs

import (
	"os"
	"regexp"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/dfgitutil"
)

// IsRemote tells whether the daemon itself fetches a main context. Such a context is a git repository, as BuildKit
// recognizes one (https://host/repo.git#branch:folder, git://…, git@host:repo), or an archive at an http or https URL.
func IsRemote(location string) bool {
	if _, isGit, _ := dfgitutil.ParseGitRef(location); isGit {
		return true
	}
	return strings.HasPrefix(location, "http://") || strings.HasPrefix(location, "https://")
}

// IsRemoteNamedContext tells whether the daemon itself fetches a named context, which can also be an image:
// docker-image://reference.
func IsRemoteNamedContext(location string) bool {
	return strings.HasPrefix(location, ImageScheme) || IsRemote(location) && strings.Contains(location, "://")
}

// schemePattern matches locations that are remote whatever is on this machine.
var schemePattern = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*://`)

// LocateContext returns the location of a main context in a form that IsRemote decides correctly. An existing folder
// stays a folder, also where its name could be that of a git repository: github.com/acme/app becomes
// ./github.com/acme/app. Anything else is returned as it is: a location with a scheme, the name of a file, the name of
// nothing.
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
