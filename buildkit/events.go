package buildkit

import (
	"regexp"
	"strings"
	"time"
)

// Step is one step of a build.
type Step struct {
	Platform string // that it runs for, as "linux/arm64"; "" for steps that belong to none
	Position string // in its stage, as "build 2/3"; "" for steps that are not the Dockerfile's
	Command  string // as written in the Dockerfile, or what BuildKit calls the step
}

// WritesCache tells whether the step writes a cache.
func (s Step) WritesCache() bool {
	_, ok := cutCacheExport(s.Command)
	return ok && s.Position == ""
}

// Kind is what happened to a step.
type Kind int

// The kinds of events.
const (
	Started  Kind = iota
	Finished      // Cached or after Elapsed; a step may start and finish more than once
	Failed        // or was canceled because another step failed
	Moved         // Text is what a running step does, as "transferring context 12MiB"; "" when that is over
	Warned        // Text is a warning
	Pushing       // a push has begun: from here on a registry may have a part of the image
)

// Event is something that a person may want to see while a build runs.
type Event struct {
	Kind    Kind
	Step    Step
	Cached  bool
	Elapsed time.Duration
	Text    string // without secrets

	// Warning is what Text is about: a *CacheError, a *DockerfileLoginError, a *PlainFilesError or an
	// *IgnoredLimitsError. It is nil for a warning of BuildKit about the Dockerfile. Unlike Text it may hold secrets.
	Warning error
}

// stepName matches the name that BuildKit's frontend gives to a step of the Dockerfile:
// [linux/amd64->arm64 build 2/3] RUN make
//
// The frontend pads the number of a step to the width of their count: a stage without a name begins with "[ 7/14]".
var stepName = regexp.MustCompile(`^\[ *(?:([a-z0-9]+/\S+) +)?(?:(\S+) +)?(\d+/\d+)\] +(?s:(.*))$`)

// parseStep returns the step with this name.
func parseStep(name string) Step {
	m := stepName.FindStringSubmatch(name)
	if m == nil {
		return Step{Command: strings.TrimPrefix(name, "[internal] ")}
	}
	return Step{Platform: m[1], Position: strings.TrimSpace(m[2] + " " + m[3]), Command: m[4]}
}
