package buildkit

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/login"
)

// transfer is what a daemon does with a server. It pushes the manifests or the layers of a repository, writes a cache,
// resolves a base image, or fetches a source.
type transfer struct {
	repository string // of a push
	base       string // the base image that is resolved
	frontend   bool   // base is the image of a frontend
	large      bool   // it takes longer than an answer: the daemon's bytes are counted
	fetch      *StalledSourceError
}

// describePush returns the push that a status with this name is about. ok is false for any other status. pushed has the
// repositories whose push has ended.
//
// The names are those of BuildKit (https://github.com/moby/buildkit/blob/master/util/push/push.go and
// cache/remotecache/export.go).
func describePush(id string, repositories []string, pushed map[string]bool) (t transfer, ok bool) {
	for _, prefix := range []string{"writing layer ", "writing config ", "writing cache "} {
		if strings.HasPrefix(id, prefix) {
			return transfer{large: true}, true
		}
	}
	for _, r := range repositories { // BuildKit pushes to one after the other
		switch {
		case id == "pushing manifest for "+r:
			return transfer{repository: r}, true
		case id == "pushing layers" && !pushed[r]:
			return transfer{repository: r, large: true}, true
		}
	}
	return transfer{}, false
}

// frontendPrefix begins the daemon's name for the step that resolves the image of a frontend.
const frontendPrefix = "resolve image config for docker-image://"

// resolveStep matches the name that BuildKit's frontend gives to a step that resolves a base image
// (frontend/dockerfile/dockerfile2llb and frontend/dockerui). The name of a step of the Dockerfile begins with its
// number, and may have these words after it.
var resolveStep = regexp.MustCompile(`^(?:\[(?:(?:\S+ )?internal|context [^\]]+)\] )?load metadata for (.+)$`)

// describeResolve returns the image that a step resolves. ok is false for any other step.
func describeResolve(step string) (t transfer, ok bool) {
	if base, ok := strings.CutPrefix(step, frontendPrefix); ok {
		return transfer{base: base, frontend: true}, true
	}
	if m := resolveStep.FindStringSubmatch(step); m != nil {
		return transfer{base: m[1]}, true
	}
	return transfer{}, false
}

// fromStep matches the name of the step of a base image, and of a named context that is an image.
var fromStep = regexp.MustCompile(`^\[(?:context [^\]]+|[^\]]*\d+/\d+)\] (?:FROM )?(\S+)$`)

// remoteSource matches a URL or a git repository among the arguments of ADD.
var remoteSource = regexp.MustCompile(`(?:^|\s)((?:https?|git|ssh)://\S+|[\w.-]+@[\w.-]+:\S+)`)

// describeFetch returns what a step fetches. ok is false for a step that fetches nothing large. files has the contexts
// of the build. The names are those of BuildKit's frontend (frontend/dockerui and frontend/dockerfile/dockerfile2llb).
func describeFetch(step string, files inputs.Files) (t transfer, ok bool) {
	fetch := func(what, host string) (transfer, bool) {
		return transfer{large: true, fetch: &StalledSourceError{What: login.Hide(what), Host: host}}, true
	}
	if location, ok := strings.CutPrefix(step, "[internal] load git source "); ok {
		return fetch("build context "+location, hostOf(location))
	}
	if step == "[internal] load remote build context" {
		location := archives(files)
		return fetch("build context "+location, hostOf(location))
	}
	if ref, ok := strings.CutPrefix(step, cacheImportPrefix); ok {
		return fetch("cache "+ref, hostOf("https://"+ref))
	}
	if ref := fromStep.FindStringSubmatch(step); ref != nil && ref[1] != "scratch" {
		return fetch("base image "+ref[1], registryName(ref[1]))
	}
	if arguments, ok := strings.CutPrefix(parseStep(step).Command, "ADD "); ok {
		if source := remoteSource.FindStringSubmatch(arguments); source != nil {
			return fetch("ADD "+source[1], hostOf(source[1]))
		}
	}
	return transfer{}, false
}

// archives returns the contexts that are neither git repositories nor images, joined by "or". A daemon does not say
// which of them it fetches.
func archives(files inputs.Files) string {
	var found []string
	for _, location := range slices.Sorted(maps.Values(files.WithoutLogins().Remotes())) {
		if strings.HasPrefix(location, "http") {
			found = append(found, login.Hide(location))
		}
	}
	return strings.Join(found, " or ")
}

// hostOf returns the host of a URL, without a default port.
func hostOf(location string) string {
	host := urlHost(location)
	for _, port := range defaultPorts {
		host = strings.TrimSuffix(host, ":"+port)
	}
	return host
}

// registryName returns the registry of a reference as people write it.
func registryName(ref string) string { return strings.TrimSuffix(registryHost(ref), ":443") }
