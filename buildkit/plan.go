package buildkit

// Plan says what to build, as plain data. Building an equal plan from equal inputs again gives the same image.
type Plan struct {
	Files        Files
	WatchAll     bool              // hash and send whole contexts, not only what the Dockerfile reads from them
	Pull         bool              // look again for what names stand for: the commit behind a branch or tag of a git context
	Platforms    []string          // normalized, as "linux/arm64"; none: the daemon's own
	Target       string            // stage to build; "": the last one
	BuildArgs    map[string]string // ARG values
	Labels       map[string]string
	Repositories []string // "host/path": pushed by digest to each; none: the image stays with the daemon

	// UnknownArgs are names of BuildArgs whose values are not known yet. Such a plan can be recorded but not solved.
	UnknownArgs []string
}

// Files names what a build reads.
type Files struct {
	Context    string            // directory of the main build context, or a URL; see IsRemote
	Named      map[string]string // directories of the named contexts, or what IsRemoteNamed knows
	Dockerfile string            // path of the Dockerfile on this machine; "" when Inline is the text
	Inline     []byte            // nil, too, for the Dockerfile of a remote context
}

// Built is what a daemon made of a plan.
type Built struct {
	Digest string // "sha256:…": of the index, or of the manifest when there is one platform
}

// Names of local sources, by which the frontend asks for them.
const (
	contextSource    = "context"
	definitionSource = "dockerfile"
)

// localName is the local source of a named context. The prefix keeps a context called "dockerfile" apart from the Dockerfile.
func localName(name string) string { return "named-" + name }
