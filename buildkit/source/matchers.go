package source

import (
	"path"
	"path/filepath"
	"strings"

	"github.com/moby/patternmatcher"
)

// matchers decide about paths. They are not safe for concurrent use: take one from a pool for each goroutine.
type matchers struct {
	include, exclude *patternmatcher.PatternMatcher // nil: everything, nothing
	// A folder that is not taken itself can be left out as a whole when no pattern could match below it. Patterns
	// with wildcards could match anywhere.
	literalIncludes, literalExceptions bool
	costly                             bool // Scan limits the time that the patterns take
}

// verdict is about one path: whether it is taken and, for a folder, what its children need to know.
type verdict struct {
	taken            bool
	prune            bool // nothing below can be taken
	include, exclude patternmatcher.MatchInfo
}

// judge decides about the path name, given the verdict on its parent folder, as fsutil's filters do.
func (m *matchers) judge(name string, isFolder bool, parent verdict) (verdict, error) {
	v := verdict{taken: true}
	name = filepath.FromSlash(name)
	if m.include != nil {
		matched, info, err := m.include.MatchesUsingParentResults(name, parent.include)
		if err != nil {
			return v, err
		}
		if v.include = info; !matched {
			v.taken = false
			v.prune = isFolder && m.literalIncludes && !anyBelow(m.include, name, false)
		}
	}
	if m.exclude != nil && !v.prune {
		matched, info, err := m.exclude.MatchesUsingParentResults(name, parent.exclude)
		if err != nil {
			return v, err
		}
		if v.exclude = info; matched {
			v.taken = false
			v.prune = isFolder && m.literalExceptions && !anyBelow(m.exclude, name, true)
		}
	}
	return v, nil
}

// mayTakeBelow tells whether something at the path rest below a folder may be taken.
func (m *matchers) mayTakeBelow(f *folder, rest string) bool {
	name, v := f.path, f.verdict
	for part := range strings.SplitSeq(rest, "/") {
		name = path.Join(name, part)
		var err error
		if v, err = m.judge(name, true, v); err != nil || v.prune {
			return false
		}
	}
	return true
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

// isLiteral tells whether a pattern has no wildcards, but for those at its end.
func isLiteral(p *patternmatcher.Pattern) bool {
	wildcards := "*[]?^"
	if filepath.Separator != '\\' {
		wildcards += `\`
	}
	return !strings.ContainsAny(withoutTrailingGlob(p), wildcards)
}

// withoutTrailingGlob returns a pattern without the wildcards at its end: dir/** names what is below dir, as dir does.
func withoutTrailingGlob(p *patternmatcher.Pattern) string {
	text := p.String()
	text = strings.TrimSuffix(text, string(filepath.Separator)+"**")
	return strings.TrimSuffix(text, string(filepath.Separator)+"*")
}
