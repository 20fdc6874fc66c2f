package source

import (
	"path/filepath"
	"strings"
	"sync"

	"github.com/moby/patternmatcher"
)

// Scope says which part of a directory is taken: what Excludes, the patterns of an ignore file, leave out is not, and when
// Includes is not nil, only what it matches is. Both are understood as BuildKit's walk understands them; see onceJudged for
// its other reading.
type Scope struct {
	Excludes []string
	Includes []string
}

// matchers decide about paths. They are not safe for concurrent use: take one from a pool for each goroutine.
type matchers struct {
	include, exclude *patternmatcher.PatternMatcher // nil: everything, nothing
	// A directory that is not taken itself can be left out as a whole when no pattern could match below it; patterns with
	// wildcards could match anywhere.
	literalIncludes, literalExceptions bool
	// costly is true for patterns so many or so intricate that the time they take is counted: see judgeLimit.
	costly bool
}

// verdict is about one path: whether it is taken and, for a directory, what its children need to know.
type verdict struct {
	taken            bool
	prune            bool // nothing below can be taken
	include, exclude patternmatcher.MatchInfo
}

func (s Scope) pool() (*sync.Pool, error) {
	if _, err := s.matchers(); err != nil {
		return nil, err
	}
	return &sync.Pool{New: func() any {
		m, _ := s.matchers() // the patterns have just been compiled without an error
		return m
	}}, nil
}

func (s Scope) matchers() (*matchers, error) {
	m := &matchers{literalIncludes: true, literalExceptions: true, costly: s.isCostly()}
	var err error
	if s.Includes != nil {
		if m.include, err = patternmatcher.New(s.Includes); err != nil {
			return nil, err
		}
		for _, p := range m.include.Patterns() {
			m.literalIncludes = m.literalIncludes && (p.Exclusion() || isLiteral(p))
		}
	}
	if len(s.Excludes) > 0 {
		if m.exclude, err = patternmatcher.New(s.Excludes); err != nil {
			return nil, err
		}
		for _, p := range m.exclude.Patterns() {
			m.literalExceptions = m.literalExceptions && (!p.Exclusion() || isLiteral(p))
		}
	}
	return m, nil
}

// judge decides about path, given the verdict on its parent directory, as fsutil's filters do.
func (m *matchers) judge(path string, isDir bool, parent verdict) (verdict, error) {
	v := verdict{taken: true}
	path = filepath.FromSlash(path)
	if m.include != nil {
		matched, info, err := m.include.MatchesUsingParentResults(path, parent.include)
		if err != nil {
			return v, err
		}
		if v.include = info; !matched {
			v.taken = false
			v.prune = isDir && m.literalIncludes && !anyBelow(m.include, path, false)
		}
	}
	if m.exclude != nil && !v.prune {
		matched, info, err := m.exclude.MatchesUsingParentResults(path, parent.exclude)
		if err != nil {
			return v, err
		}
		if v.exclude = info; matched {
			v.taken = false
			v.prune = isDir && m.literalExceptions && !anyBelow(m.exclude, path, true)
		}
	}
	return v, nil
}

// anyBelow tells whether one of the literal patterns, exceptions or not, names something below dir.
func anyBelow(m *patternmatcher.PatternMatcher, dir string, exceptions bool) bool {
	dir += string(filepath.Separator)
	for _, p := range m.Patterns() {
		if p.Exclusion() == exceptions && strings.HasPrefix(withoutTrailingGlob(p)+string(filepath.Separator), dir) {
			return true
		}
	}
	return false
}

func isLiteral(p *patternmatcher.Pattern) bool {
	wildcards := "*[]?^"
	if filepath.Separator != '\\' {
		wildcards += `\`
	}
	return !strings.ContainsAny(withoutTrailingGlob(p), wildcards)
}

// withoutTrailingGlob: dir/** names what is below dir, as dir itself does.
func withoutTrailingGlob(p *patternmatcher.Pattern) string {
	text := p.String()
	text = strings.TrimSuffix(text, string(filepath.Separator)+"**")
	return strings.TrimSuffix(text, string(filepath.Separator)+"*")
}

// MayTake tells whether something at a path, or below it, would be taken if it were there. Patterns with wildcards may
// take anything.
func (s Scope) MayTake(path string) bool {
	m, err := s.matchers()
	if err != nil {
		return true
	}
	var parent verdict
	for i := 0; i <= len(path); i++ {
		if i < len(path) && path[i] != '/' {
			continue
		}
		v, err := m.judge(path[:i], true, parent)
		if err != nil {
			return true
		}
		if v.prune {
			return false
		}
		parent = v
	}
	return true
}
