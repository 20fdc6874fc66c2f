package inputs

import (
	"slices"
	"strings"
)

// ReadSet is what a build reads of its local sources, by their names. It also holds the contexts that the daemon
// fetches, always as a whole. A source that is not in it is not read.
type ReadSet map[string]pathSet

// pathSet are the paths of a local source that a build reads, as the Dockerfile's instructions give them: relative to
// the root of the source, links in them to be followed, wildcards allowed. Nil is the whole source.
type pathSet []string

// How many paths of a source are told apart, in all and with wildcards. Each is compared with every file. A build that
// names more, of which no real one is known, reads the whole source.
const pathLimit, wildcardLimit = 2000, 500

// add makes a request part of what is read.
func (r ReadSet) add(request localRequest) {
	if request.internal {
		return
	}
	paths, isRead := r[request.name]
	if len(request.paths) == 0 || isRead && paths == nil {
		r[request.name] = nil
		return
	}
	paths = append(slices.Clone(paths), request.paths...)
	slices.Sort(paths)
	if paths = slices.Compact(paths); paths.tooMany() {
		paths = nil
	}
	r[request.name] = paths
}

// checkCovers returns an *UnhashedError if a request asks for something that is not in r.
func (r ReadSet) checkCovers(request localRequest) error {
	paths, isRead := r[request.name]
	if request.internal || isRead && paths == nil {
		return nil
	}
	if len(request.paths) == 0 {
		return &UnhashedError{Source: request.name, Path: "."}
	}
	for _, p := range request.paths {
		if !isRead || !slices.Contains(paths, p) {
			return &UnhashedError{Source: request.name, Path: p}
		}
	}
	return nil
}

// tooMany tells whether there are too many paths to tell them apart.
func (p pathSet) tooMany() bool {
	wildcards := 0
	for _, path := range p {
		if strings.ContainsAny(path, "*?[") {
			wildcards++
		}
	}
	return len(p) > pathLimit || wildcards > wildcardLimit
}
