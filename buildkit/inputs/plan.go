package inputs

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Plan says what to build, as plain data. Building an equal plan from equal inputs again gives the same image.
type Plan struct {
	Files        Files
	WatchAll     bool              // hash and send whole contexts, not only what the Dockerfile reads from them
	Pull         bool              // ask again what names stand for: the commit behind a branch or tag of a git context
	Platforms    []string          // normalized, as "linux/arm64"; none: the daemon's own
	Target       string            // stage to build; "": the last one
	BuildArgs    map[string]string // ARG values
	Labels       map[string]string
	Annotations  map[string]string // of the manifests, and of the index when there is one
	TestTargets  []string          // stages that are built before the image; if one fails, the build fails
	Network      string            // of steps: "host", "none" or, "", the daemon's default
	Hosts        []Host            // that steps know beside those of DNS
	NoCache      bool              // run every step again
	NoCacheOf    []string          // stages whose steps run again
	Allow        []string          // entitlements that steps ask for, besides what Network needs
	Limits       Limits            // of the processes in steps
	Epoch        *int64            // upper bound of every time in the image, seconds since 1970; nil: no bound
	Provenance   string            // attestation of how the image was made: "min", "max" or, "", none
	SBOM         string            // reference of the image that lists what is in the image; "": no such list
	ImageOptions map[string]string // options of BuildKit's image exporter that replace ours, such as "compression"

	// BaseDigests maps the canonical reference of a base image to the digest to build with, whatever the tag holds.
	BaseDigests map[string]string

	// Repositories are "host/path": the image is pushed by digest to each. If there is none, the image stays with the
	// daemon.
	Repositories []string
	// Insecure are those of Repositories that are pushed to over plain http, or without a check of who answers.
	Insecure []string

	// StoreNames are the names of an image that is not pushed, in the image store of the daemon.
	StoreNames []string

	// WithoutImage: all steps run, but no image is made of them. Exports get what they ask for.
	WithoutImage bool

	// UnknownArgs are names of BuildArgs whose values are not known yet. Such a plan can be recorded but not solved.
	UnknownArgs []string
}

// Host is a line in a step's /etc/hosts.
type Host struct {
	Name    string
	IP      netip.Addr
	Gateway bool // the machine of the builder: set IP before the plan is solved
}

// Build arguments that BuildKit acts on, whether a Dockerfile declares them or not; see syntaxArg.
const (
	inlineCacheArg   = "BUILDKIT_INLINE_CACHE"
	multiPlatformArg = "BUILDKIT_MULTI_PLATFORM"
)

// IsIndex tells whether the image is an index (manifest list).
func (p Plan) IsIndex() bool {
	return len(p.Platforms) > 1 || p.hasAttestations() || p.isTrueArg(multiPlatformArg)
}

// HasInlineCache tells whether the image is to hold its own build cache: BUILDKIT_INLINE_CACHE.
func (p Plan) HasInlineCache() bool { return p.isTrueArg(inlineCacheArg) }

// hasAttestations tells whether the image comes with attestations. Such an image is an index, whatever the number of
// platforms, and no two builds have the same digest.
func (p Plan) hasAttestations() bool { return p.Provenance != "" || p.SBOM != "" }

// HasProxyArg tells whether a build argument sets a proxy variable of steps, in any case of its letters.
func (p Plan) HasProxyArg(variable string) bool {
	for name := range p.BuildArgs {
		if strings.EqualFold(name, variable) {
			return true
		}
	}
	return false
}

// isTrueArg tells whether a build argument is true. A value that is no boolean counts as false.
func (p Plan) isTrueArg(name string) bool {
	on, err := strconv.ParseBool(p.BuildArgs[name])
	return err == nil && on
}

// targets returns the stages that are built: the tests, then the image.
func (p Plan) targets() []string { return append(slices.Clone(p.TestTargets), p.Target) }

// testPlans returns a plan for each stage that is a test. Such a plan has no SBOM, because nothing scans a test.
func (p Plan) testPlans() []Plan {
	var all []Plan
	for _, p.Target = range p.TestTargets {
		p.SBOM = ""
		all = append(all, p)
	}
	return all
}
