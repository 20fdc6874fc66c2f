package buildkit

import (
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/source"
)

// Plan says what to build, as plain data. Building an equal plan again gives the same image from the daemon's cache.
type Plan struct {
	Inputs       *Inputs
	Platforms    []string          // normalised, as "linux/arm64"; none: the daemon's own
	Target       string            // stage to build; "": the last one
	BuildArgs    map[string]string // ARG values
	Labels       map[string]string
	Repositories []string // "host/path": pushed by digest to each; none: the image stays with the daemon
}

// Built is what a daemon made of a plan.
type Built struct {
	Digest string // "sha256:…": of the index, or of the manifest when there is one platform
}

// trees are the local sources of the solve by the names under which the Dockerfile frontend asks for them.
func (p Plan) trees() map[string]*source.Tree {
	definition := map[string][]byte{p.Inputs.Name: p.Inputs.Dockerfile}
	if p.Inputs.Ignore != nil {
		definition[p.Inputs.Name+".dockerignore"] = p.Inputs.Ignore
	}
	trees := map[string]*source.Tree{"context": p.Inputs.Context, "dockerfile": source.Files(definition)}
	for name, tree := range p.Inputs.Named {
		trees[localName(name)] = tree
	}
	return trees
}

// localName is the local source of a named context. The prefix keeps a context called "dockerfile" apart from the Dockerfile.
func localName(name string) string { return "named-" + name }
