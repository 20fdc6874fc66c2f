package inputs

import (
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/source"
)

// useSet is how a build uses what it reads of its local sources, by their names. Nil, for a source, is all of it.
//
// A daemon is also sent what COPY --exclude leaves out, but no image depends on that.
type useSet map[string][]source.Use

// add makes a request part of what is used.
func (u useSet) add(request localRequest) {
	uses, isUsed := u[request.name]
	switch {
	case request.internal:
	case request.uses == nil || isUsed && uses == nil:
		u[request.name] = nil
	default:
		u[request.name] = append(uses, request.uses...)
	}
}

// merge makes other uses part of u.
func (u useSet) merge(other useSet) {
	for name, uses := range other {
		u.add(localRequest{name: name, uses: uses})
	}
}

// normalize returns the uses in order, each once.
func (u useSet) normalize() useSet {
	normal := maps.Clone(u)
	for name, uses := range u {
		if uses != nil {
			normal[name] = source.SortUses(uses)
		}
	}
	return normal
}

// simplify returns the uses in order, with nil for each source of which they leave nothing out.
func (u useSet) simplify() useSet {
	simple := u.normalize()
	for name, uses := range simple {
		if !source.CanExclude(uses) {
			simple[name] = nil
		}
	}
	return simple
}

// commonUses returns what two predictions agree on. Where they differ, all of a source is used, and equal is false.
func (u useSet) commonUses(other useSet) (common useSet, equal bool) {
	common, equal = maps.Clone(u), true
	for name, uses := range u {
		if !slices.EqualFunc(uses, other[name], source.Use.Equal) {
			common[name], equal = nil, false
		}
	}
	return common, equal
}

// checkCovers returns an *UnhashedError if a request uses something in a way that is not in u.
func (u useSet) checkCovers(request localRequest) error {
	uses := u[request.name]
	if request.internal || uses == nil {
		return nil
	}
	if request.uses == nil {
		return &UnhashedError{Source: request.name, Path: "."}
	}
	for _, use := range request.uses {
		if !slices.ContainsFunc(uses, use.Equal) {
			return &UnhashedError{Source: request.name, Path: path.Join(".", strings.TrimPrefix(use.Path, "/"))}
		}
	}
	return nil
}
