package source

import (
	"strings"
	"sync"

	"github.com/moby/patternmatcher"
)

// Scope says which part of a folder is taken. Its patterns mean what they mean to BuildKit's walk; the comment of
// walkedFS tells of another reading.
type Scope struct {
	Excludes []string // the patterns of an ignore file: what they match is not taken
	Includes []string // nil, or only what they match is taken
}

// From these on the patterns of a scope are costly: bytes of all patterns, and wildcards of one.
const (
	costlyBytes     = 8 << 10
	costlyWildcards = 16
)

// isCostly tells whether there are so many patterns, or one of them is so intricate, that Scan limits their time.
func (s Scope) isCostly() bool {
	size := 0
	for _, patterns := range [][]string{s.Includes, s.Excludes} {
		for _, p := range patterns {
			size += len(p)
			if strings.Count(p, "*")+strings.Count(p, "?") > costlyWildcards {
				return true
			}
		}
	}
	return size > costlyBytes
}

// MayTake tells whether something at a path, or below it, would be taken if it existed. Patterns with wildcards may
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

// pool returns a pool of *matchers.
func (s Scope) pool() (*sync.Pool, error) {
	if _, err := s.matchers(); err != nil {
		return nil, err
	}
	return &sync.Pool{New: func() any {
		m, _ := s.matchers() // the patterns have just been compiled without an error
		return m
	}}, nil
}

// matchers compiles the patterns.
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
