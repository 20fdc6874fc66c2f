package inputs

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// remoteReads are the local sources among Files.remotes that the build may take something from. The main context always is: what it is
// may be for an ONBUILD of a base image to say. A named one is when the frontend asks for it, which is seen by asking for each in
// a place where nothing else is.
//
// It returns false when it cannot be sure.
func (p Plan) remoteReads(ctx context.Context, d Definition) (sources []string, certain bool, err error) {
	all := slices.Sorted(maps.Keys(p.Files.Remotes()))
	if !slices.ContainsFunc(all, isNamedSource) || basesVary(d.Dockerfile) {
		return all, true, nil
	}
	p.Files.Named = maps.Clone(p.Files.Named)
	for name, location := range p.Files.Named {
		if IsRemoteNamed(location) {
			p.Files.Named[name] = placeholderImage(name)
		}
	}
	one, other := newDryGateways(p, d)
	if ended, err := runBoth(ctx, one, other); !ended {
		return nil, false, err
	}
	return slices.DeleteFunc(all, func(source string) bool {
		name, named := strings.CutPrefix(source, localName(""))
		place := []byte(placeholderImage(name))
		return named && !bytes.Contains(one.transcript.Bytes(), place) && !bytes.Contains(other.transcript.Bytes(), place)
	}), true, nil
}

func isNamedSource(source string) bool { return strings.HasPrefix(source, localName("")) }

// basesVary tells whether a stage is named by a variable: which one it is may depend on the daemon's platform, of which there are more
// than a prediction tries.
func basesVary(dockerfile []byte) bool {
	parsed, err := parser.Parse(bytes.NewReader(dockerfile))
	if err != nil {
		return true
	}
	stages, _, err := instructions.Parse(parsed.AST, nil)
	return err != nil || slices.ContainsFunc(stages, func(s instructions.Stage) bool { return strings.Contains(s.BaseName, "$") })
}

// placeholderImage is the location of an image that no Dockerfile names. No place is the beginning of another.
func placeholderImage(name string) string { return ImageScheme + fmt.Sprintf("x%x.invalid/x", name) }

// HideUnread returns the options with the named contexts that were not hashed out of reach: an ONBUILD of a base image could ask for
// them. Those on this machine are nowhere to be had but from us.
func (p Prediction) HideUnread(options map[string]string) map[string]string {
	if p.Reads == nil {
		return options
	}
	hashed := map[string]bool{}
	for source := range p.Reads {
		name, _ := strings.CutPrefix(source, localName(""))
		hashed[contextName(name)] = true
	}
	options = maps.Clone(options)
	for key, location := range options {
		if name, ok := strings.CutPrefix(key, "context:"); ok && IsRemoteNamed(location) && !hashed[name] {
			options[key] = placeholderImage(name)
		}
	}
	return options
}

// CheckHidden returns an *UnhashedError if ref is that of a named context that HideUnread put out of reach.
func CheckHidden(options map[string]string, ref string) error {
	for key := range options {
		if name, ok := strings.CutPrefix(key, "context:"); ok && strings.HasPrefix(ImageScheme+ref, placeholderImage(name)) {
			return &UnhashedError{Source: localName(name), Path: "."}
		}
	}
	return nil
}
