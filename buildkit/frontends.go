package buildkit

import (
	"fmt"
	"slices"

	"github.com/distribution/reference"
)

// officialFrontends are the frontends that need no permission. The part before the first slash is the registry's host,
// so no other registry can serve them.
var officialFrontends = []string{"docker.io/docker/dockerfile", "docker.io/docker/dockerfile-upstream"}

// FrontendError is a frontend that a build asked for and that is not allowed.
type FrontendError struct{ Reference string }

// Error names the frontend.
func (e *FrontendError) Error() string {
	return fmt.Sprintf("frontend %s: it was not run: a # syntax= line, or BUILDKIT_SYNTAX, asks for a program that "+
		"decides what is built, and only docker/dockerfile runs without permission", e.Reference)
}

// CheckFrontend returns an error unless entry is a reference, as Guard.Frontends needs.
func CheckFrontend(entry string) error {
	_, err := reference.ParseNormalizedNamed(entry)
	return err
}

// allowsFrontend reports whether a frontend may run: an official one, or one of a list of references. An entry without
// a tag and a digest allows all of a repository. resolved says that a daemon has added the digest to the tag of source.
func allowsFrontend(source string, allowed []string, resolved bool) bool {
	asked, err := reference.ParseNormalizedNamed(source)
	if err != nil {
		return false
	}
	return slices.Contains(officialFrontends, asked.Name()) || slices.ContainsFunc(allowed, func(entry string) bool {
		known, err := reference.ParseNormalizedNamed(entry)
		return err == nil && covers(known, asked, resolved)
	})
}

// covers reports whether an entry allows a reference. If the reference has both a tag and a digest, the digest decides
// what is pulled.
func covers(entry, asked reference.Named, resolved bool) bool {
	if entry.Name() != asked.Name() {
		return false
	}
	digested, hasDigest := asked.(reference.Digested)
	if fixed, ok := entry.(reference.Digested); ok {
		return hasDigest && digested.Digest() == fixed.Digest()
	}
	tagged, ok := entry.(reference.Tagged)
	if !ok {
		return true
	}
	if hasDigest && !resolved {
		return false
	}
	named, ok := reference.TagNameOnly(asked).(reference.Tagged)
	return ok && named.Tag() == tagged.Tag()
}
