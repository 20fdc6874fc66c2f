package inputs

import (
	"net/netip"
	"slices"
)

// Plan says what to build, as plain data. Building an equal plan from equal inputs again gives the same image.
type Plan struct {
	Files        Files
	WatchAll     bool              // hash and send whole contexts, not only what the Dockerfile reads from them
	Pull         bool              // look again for what names stand for: the commit behind a branch or tag of a git context
	Platforms    []string          // normalized, as "linux/arm64"; none: the daemon's own
	Target       string            // stage to build; "": the last one
	BuildArgs    map[string]string // ARG values
	Labels       map[string]string
	Annotations  map[string]string // of the manifests, and of the index when there is one
	TestTargets  []string          // stages that are built to their end before the image; one that fails fails the build
	Network      string            // of steps: "host", "none" or, "", the daemon's default
	Hosts        []Host            // that steps know beside those of DNS
	NoCache      bool              // run every step again
	Epoch        *int64            // seconds since 1970 that every time in the image is at most; nil: the times as they are
	Provenance   string            // attestation of how the image was made: "min", "max" or, "", none
	SBOM         string            // reference of the image that lists what is in the image; "": no such list
	ImageAttrs   map[string]string // options of BuildKit's image exporter that replace ours, such as "compression"
	BaseDigests  map[string]string // canonical reference of a base image → the digest to build with, whatever the tag holds
	Repositories []string          // "host/path": pushed by digest to each; none: the image stays with the daemon
	Insecure     []string          // those of Repositories that are pushed to over plain http or to whoever answers

	// WithoutImage: all steps run, but no image is made of them. Exports get what they ask for.
	WithoutImage bool

	// UnknownArgs are names of BuildArgs whose values are not known yet. Such a plan can be recorded but not solved.
	UnknownArgs []string
}

// Host is a line in a step's /etc/hosts.
type Host struct {
	Name string
	IP   netip.Addr
}

// hasAttestations tells whether the image comes with attestations: it is then an index, whatever the number of platforms, and no two
// builds have the same digest.
func (p Plan) hasAttestations() bool { return p.Provenance != "" || p.SBOM != "" }

// targets are the stages that are built: the tests, then the image.
func (p Plan) targets() []string { return append(slices.Clone(p.TestTargets), p.Target) }

// testPlans are the same plan for each of the stages that are tests: they are not scanned.
func (p Plan) testPlans() []Plan {
	var all []Plan
	for _, p.Target = range p.TestTargets {
		p.SBOM = ""
		all = append(all, p)
	}
	return all
}

// Names of local sources, by which the frontend asks for them.
const (
	contextSource    = "context"
	definitionSource = "dockerfile"
)

// localName is the local source of a named context. The prefix keeps a context called "dockerfile" apart from the Dockerfile.
func localName(name string) string { return "named-" + name }
