package source

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/moby/patternmatcher"
)

// filter holds the compiled patterns of a use.
type filter struct {
	include, exclude *patternmatcher.PatternMatcher
}

// newFilter compiles the patterns of a use. It returns false for patterns that the daemon understands differently or
// not at all.
func newFilter(u Use) (f filter, ok bool) {
	for _, p := range slices.Concat(u.Includes, u.Excludes) {
		if filepath.Separator == '\\' && strings.Contains(p, `\`) { // on Windows it separates, to the daemon it escapes
			return f, false
		}
	}
	var err error
	if len(u.Includes) > 0 {
		if f.include, err = patternmatcher.New(u.Includes); err != nil {
			return f, false
		}
	}
	if len(u.Excludes) > 0 {
		f.exclude, err = patternmatcher.New(u.Excludes)
	}
	return f, err == nil
}

// judge decides about a path below the source, given the verdict on its parent, as copier.copy of fsutil does.
func (f filter) judge(path string, parent verdict) (v verdict, state mark, err error) {
	path = filepath.FromSlash(path)
	included, excluded := true, false
	if f.include != nil {
		if included, v.include, err = f.include.MatchesUsingParentResults(path, parent.include); err != nil {
			return v, unmarked, err
		}
	}
	if f.exclude != nil {
		if excluded, v.exclude, err = f.exclude.MatchesUsingParentResults(path, parent.exclude); err != nil {
			return v, unmarked, err
		}
	}
	switch {
	case excluded:
		return v, isExcluded, nil
	case included:
		return v, isRead, nil
	}
	return v, unmarked, nil
}
