package buildkit

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/moby/buildkit/client"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/login"
)

// StalledSourceError says that a server stopped in the middle of what a build fetches from it.
type StalledSourceError struct {
	What  string // what is fetched: "base image X", "build context X", "ADD X", "cache X"
	Host  string // who was silent; "" when the daemon does not tell
	Limit time.Duration
}

// Error names what is fetched and the server.
func (e *StalledSourceError) Error() string {
	who := "its server"
	if e.Host != "" {
		who = e.Host
	}
	return fmt.Sprintf("%s: %s has sent nothing for %s", e.What, who, e.Limit)
}

// layerID is what a daemon calls a layer that it pulls.
var layerID = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

// fromStep is how BuildKit names the step of a base image, and of a named context that is an image.
var fromStep = regexp.MustCompile(`^\[(?:context [^\]]+|[^\]]*\d+/\d+)\] (?:FROM )?(\S+)$`)

// remoteSource is a URL or a git repository among the arguments of ADD.
var remoteSource = regexp.MustCompile(`(?:^|\s)((?:https?|git|ssh)://\S+|[\w.-]+@[\w.-]+:\S+)`)

// describeFetch returns what a step fetches. ok is false for a step that fetches nothing large. The names are those of
// BuildKit's frontend (frontend/dockerui and frontend/dockerfile/dockerfile2llb).
func (w *stallWatch) describeFetch(step string) (transfer, bool) {
	found := func(what, host string) (transfer, bool) {
		return transfer{large: true, fetch: &StalledSourceError{What: login.Hide(what), Host: host}}, true
	}
	if location, ok := strings.CutPrefix(step, "[internal] load git source "); ok {
		return found("build context "+location, hostOf(location))
	}
	if step == "[internal] load remote build context" {
		location := w.archives()
		return found("build context "+location, hostOf(location))
	}
	if ref, ok := strings.CutPrefix(step, "importing cache manifest from "); ok {
		return found("cache "+ref, hostOf("https://"+ref))
	}
	if ref := fromStep.FindStringSubmatch(step); ref != nil && ref[1] != "scratch" {
		return found("base image "+ref[1], registryName(ref[1]))
	}
	if arguments, ok := strings.CutPrefix(parseStep(step).Command, "ADD "); ok {
		if source := remoteSource.FindStringSubmatch(arguments); source != nil {
			return found("ADD "+source[1], hostOf(source[1]))
		}
	}
	return transfer{}, false
}

// archives returns the contexts that are neither git repositories nor images: a daemon does not say which one it
// fetches.
func (w *stallWatch) archives() string {
	var found []string
	for _, location := range slices.Sorted(maps.Values(w.files.WithoutLogins().Remotes())) {
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

// noteProgress takes what a daemon tells of a fetch: of layers that it pulls, how many bytes it has. Layers wait for
// each other, so that one that moves is headway of all.
func (w *stallWatch) noteProgress(s *client.VertexStatus) {
	if !layerID.MatchString(s.ID) {
		return
	}
	key := activityKey{s.Vertex, s.ID}
	p, complete := w.activities[key], s.Completed != nil || s.Total > 0 && s.Current >= s.Total
	switch {
	case p == nil && !complete:
		w.beginLayer(key, s.Current)
	case p != nil && complete:
		w.forget(key)
		w.extendFetches()
	case p != nil && s.Current > p.pulled:
		p.pulled = s.Current
		w.extendFetches()
	}
}

// beginLayer begins to watch a layer of which so many bytes are there.
func (w *stallWatch) beginLayer(key activityKey, bytes int64) {
	what, ok := w.describeFetch(w.names[key.vertex])
	if !ok {
		what.fetch = &StalledSourceError{What: "layer " + key.id, Host: "its registry"}
	}
	what.large = false
	w.begin(key, what, false)
	w.activities[key].pulled = bytes
}

// extendFetches notes headway of everything that is fetched.
func (w *stallWatch) extendFetches() {
	for _, p := range w.activities {
		if p.fetch != nil {
			p.progressed = time.Now()
		}
	}
}

// idleBytesPerSecond returns what a daemon moves without any headway, in bytes per second.
func (w *stallWatch) idleBytesPerSecond(p *activity) float64 {
	if p.fetch == nil {
		return minBytesPerSecond
	}
	pulling := 0
	for _, other := range w.activities {
		if other.fetch != nil && !other.large {
			pulling++
		}
	}
	return minBytesPerSecond + float64(pulling*layerPollBytesPerSecond)
}
