package inputs

import (
	"fmt"
	"maps"
	"strings"

	gateway "github.com/moby/buildkit/frontend/gateway/client"
)

// Prediction is what a build will read.
type Prediction struct {
	Reads ReadSet // nil: whole contexts
	uses  useSet
	doubt string // why the prediction is not certain, so that Reads is nil; "" when it is certain
}

// Check returns an *UnhashedError if the build asks for something that was not hashed. It sees each definition before
// the daemon does, so that nothing of the kind is sent.
func (p Prediction) Check(req gateway.SolveRequest) error {
	if p.Reads == nil || req.Definition == nil { // nil: everything was hashed
		return nil
	}
	requests, err := localRequests(req.Definition)
	if err != nil {
		return err
	}
	for _, request := range requests {
		if err := p.Reads.checkCovers(request); err != nil {
			return err
		}
		if err := p.uses.checkCovers(request); err != nil {
			return err
		}
	}
	return nil
}

// HideUnread returns the frontend's options with placeholders for the remote named contexts that were not hashed: an
// ONBUILD of a base image could ask for them. Contexts on this machine need none: a daemon gets them only from us.
func (p Prediction) HideUnread(options map[string]string) map[string]string {
	if p.Reads == nil {
		return options
	}
	hashed := map[string]bool{}
	for source := range p.Reads {
		hashed[contextName(strings.TrimPrefix(source, namedContextSource("")))] = true
	}
	options = maps.Clone(options)
	for key, location := range options {
		if name, ok := strings.CutPrefix(key, "context:"); ok && IsRemoteNamedContext(location) && !hashed[name] {
			options[key] = placeholderImage(name)
		}
	}
	return options
}

// CheckHidden returns an *UnhashedError if ref is the placeholder of a named context, which HideUnread set in options.
func CheckHidden(options map[string]string, ref string) error {
	for key := range options {
		name, ok := strings.CutPrefix(key, "context:")
		if ok && strings.HasPrefix(ImageScheme+ref, placeholderImage(name)) {
			return &UnhashedError{Source: namedContextSource(name), Path: "."}
		}
	}
	return nil
}

// placeholderImage returns the location of an image that no Dockerfile names. No such location is the beginning of
// another.
func placeholderImage(name string) string { return ImageScheme + fmt.Sprintf("x%x.invalid/x", name) }

// UnhashedError says that a build asks for something that its inputs hash does not cover.
type UnhashedError struct{ Source, Path string }

// Error names the path and the context.
func (e *UnhashedError) Error() string {
	place := "the build context"
	if name, ok := strings.CutPrefix(e.Source, namedContextSource("")); ok {
		place = "the named context " + name
	}
	return fmt.Sprintf("the build reads %s of %s, which the Dockerfile itself does not: an ONBUILD instruction of a "+
		"base image does. Nothing was sent or pushed", e.Path, place)
}
