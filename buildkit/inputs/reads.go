package inputs

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/source"
)

// ignoreFile is the name of the file that leaves things out of a build context.
const ignoreFile = ".dockerignore"

// localRequest is one local source in a definition.
type localRequest struct {
	name  string // of the source
	paths pathSet
	uses  []source.Use // of what the source holds; nil: of all of it
	// internal is true when the frontend itself reads: the Dockerfile or an ignore file, which are sent apart.
	internal bool
}

// localRequests are the local sources of a definition.
func localRequests(def *pb.Definition) ([]localRequest, error) {
	ops := make([]*pb.Op, len(def.GetDef()))
	for i, data := range def.GetDef() {
		ops[i] = new(pb.Op)
		if err := ops[i].UnmarshalVT(data); err != nil {
			return nil, err
		}
	}
	var requests []localRequest
	for i, data := range def.GetDef() {
		request, isLocal, err := localRequestOf(ops[i])
		if err != nil {
			return nil, err
		}
		if isLocal {
			request.uses = usesOf(digest.FromBytes(data), ops)
			requests = append(requests, request)
		}
	}
	return requests, nil
}

// localRequestOf returns the request that an operation is, without its uses, if it is a local source.
func localRequestOf(op *pb.Op) (request localRequest, isLocal bool, err error) {
	name, isLocal := strings.CutPrefix(op.GetSource().GetIdentifier(), "local://")
	if !isLocal {
		return localRequest{}, false, nil
	}
	r := localRequest{name: name}
	attrs := op.GetSource().GetAttrs()
	if paths := attrs[pb.AttrFollowPaths]; paths != "" {
		if err := json.Unmarshal([]byte(paths), &r.paths); err != nil {
			return r, true, fmt.Errorf("the paths of the local source %s: %w", name, err)
		}
	}
	r.internal = name == definitionSource || strings.HasSuffix(attrs[pb.AttrSharedKeyHint], "-"+ignoreFile)
	return r, true, nil
}

// How many paths of a source are told apart, in all and with wildcards. Each is compared with every file. A build that names
// more, of which no real one is known, reads the whole source.
const pathLimit, wildcardLimit = 2000, 500

// add makes a request part of what is read.
func (r ReadSet) add(request localRequest) {
	if request.internal {
		return
	}
	known, asked := r[request.name]
	if len(request.paths) == 0 || asked && known == nil {
		r[request.name] = nil
		return
	}
	known = append(slices.Clone(known), request.paths...)
	slices.Sort(known)
	if known = slices.Compact(known); known.tooMany() {
		known = nil
	}
	r[request.name] = known
}

// tooMany reports whether there are too many paths to tell them apart.
func (p pathSet) tooMany() bool {
	wildcards := 0
	for _, path := range p {
		if strings.ContainsAny(path, "*?[") {
			wildcards++
		}
	}
	return len(p) > pathLimit || wildcards > wildcardLimit
}

// checkCovers is nil when a request asks for nothing that is not in r; else it says what.
func (r ReadSet) checkCovers(request localRequest) error {
	known, asked := r[request.name]
	if request.internal || asked && known == nil {
		return nil
	}
	if len(request.paths) == 0 {
		return &UnhashedError{Source: request.name, Path: "."}
	}
	for _, p := range request.paths {
		if !asked || !slices.Contains(known, p) {
			return &UnhashedError{Source: request.name, Path: p}
		}
	}
	return nil
}

// UnhashedError says that a build asks for something that its inputs hash does not cover.
type UnhashedError struct{ Source, Path string }

// Error names the path and whose it is.
func (e *UnhashedError) Error() string {
	place := "the build context"
	if name, named := strings.CutPrefix(e.Source, localName("")); named {
		place = "the named context " + name
	}
	return fmt.Sprintf("the build reads %s of %s, which the Dockerfile itself does not: an ONBUILD instruction of a base "+
		"image does. Nothing was sent or pushed", e.Path, place)
}
