package source

import (
	"cmp"
	"crypto/sha256"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/patternmatcher"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/canon"
)

// Use is one way in which a build reads a tree: a source of a COPY or ADD instruction, or of a mount.
type Use struct {
	Path      string // slash-separated, from the root, links in it to be followed; "" and "/" are the whole tree
	Wildcards bool   // the path may have some
	Includes  []string
	Excludes  []string // patterns for what is below the path, as BuildKit's copy action has them; see copy.go of fsutil
}

// useLimit and patternsLimit are how many uses, and patterns in all of them, are told apart. Each is tried on each file. With
// more, or with patterns as costly as those whose time is counted, every file counts. The limits do not depend on the
// machine's speed, because the digest must not.
const useLimit, patternsLimit = 500, 200

// SortUses returns the uses in an order of their own, each once.
func SortUses(uses []Use) []Use {
	uses = slices.SortedFunc(slices.Values(uses), func(a, b Use) int { return cmp.Compare(a.key(), b.key()) })
	return slices.CompactFunc(uses, Use.Equal)
}

// CanExclude reports whether uses may leave anything of a tree out: one of them excludes something, and they are few enough to
// be told apart.
func CanExclude(uses []Use) bool {
	all, excludes := Scope{}, 0
	for _, u := range uses {
		all.Includes = slices.Concat(all.Includes, u.Includes, u.Excludes)
		excludes += len(u.Excludes)
	}
	return excludes > 0 && len(uses) <= useLimit && len(all.Includes) <= patternsLimit && !all.isCostly()
}

// Equal reports whether two uses read the same of any tree because they say the same.
func (u Use) Equal(other Use) bool { return u.key() == other.key() }

// key is different for different uses.
func (u Use) key() string {
	parts := slices.Concat([]string{u.Path, strconv.FormatBool(u.Wildcards), strconv.Itoa(len(u.Includes))}, u.Includes, u.Excludes)
	key := []byte{}
	for _, part := range parts {
		key = canon.AppendField(key, part)
	}
	return string(key)
}

// WithoutExcluded returns the tree without the entries that have no say in a build: those that at least one of its uses excludes and no
// use reads. Nil uses read everything. What remains determines what every use finds, so that trees with equal remains make
// equal images.
func (t *Tree) WithoutExcluded(uses []Use) *Tree {
	if uses == nil {
		return t
	}
	m := marks{tree: t, states: make([]mark, len(t.entries))}
	for _, u := range uses {
		if !m.markUse(u) {
			return t
		}
	}
	if !slices.Contains(m.states, isExcluded) {
		return t
	}
	m.markParents()
	used := &Tree{root: t.root, open: t.open, content: t.content, skipped: t.skipped}
	for i, state := range m.states {
		if state != isExcluded {
			used.entries = append(used.entries, t.entries[i])
		}
	}
	return used
}

// DigestOf returns the digest of what uses read of the tree. Like Digest it is worked out once.
func (t *Tree) DigestOf(uses []Use) [sha256.Size]byte {
	if uses == nil {
		return t.Digest()
	}
	key := []byte{}
	for _, u := range uses {
		key = canon.AppendField(key, u.key())
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	sum, ok := t.sums[string(key)]
	if !ok {
		sum = t.WithoutExcluded(uses).Digest()
		if t.sums == nil {
			t.sums = map[string][sha256.Size]byte{}
		}
		t.sums[string(key)] = sum
	}
	return sum
}

// mark is what is known of an entry: nothing, that a use excludes it, or that one reads it, which is final.
type mark uint8

const (
	unmarked mark = iota
	isExcluded
	isRead
)

// marks are those of a tree.
type marks struct {
	tree   *Tree
	states []mark
}

// markUse marks what a use reads and what it excludes. It returns false when that cannot be told.
func (m *marks) markUse(u Use) bool {
	filter, ok := newFilter(u)
	if !ok {
		return false
	}
	paths := []string{u.Path}
	if u.Wildcards {
		if paths, ok = m.matchWildcards(u.Path); !ok {
			return false
		}
	}
	for _, path := range paths {
		target, ok := m.resolve(path)
		if !ok {
			return false
		}
		if !m.markBelow(target, filter) {
			return false
		}
	}
	return true
}

// filter is what the patterns of a use say.
type filter struct {
	include, exclude *patternmatcher.PatternMatcher
}

// newFilter compiles the patterns of a use. It returns false for those that the daemon understands differently or not at all.
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

// markBelow marks what is copied from a source that links have been followed to, and what its patterns exclude.
func (m *marks) markBelow(target string, f filter) bool {
	prefix, first := "", 0
	if target != "" {
		i, found := m.tree.index(target)
		if !found {
			return true
		}
		m.states[i] = isRead
		prefix, first = target+"/", i+1
	}
	above := []ancestor{{prefix: prefix}}
	for i := first; i < len(m.states) && strings.HasPrefix(m.tree.entries[i].path, prefix); i++ {
		e := &m.tree.entries[i]
		for !strings.HasPrefix(e.path, above[len(above)-1].prefix) {
			above = above[:len(above)-1]
		}
		v, state, err := f.judge(e.path[len(prefix):], above[len(above)-1].verdict)
		if err != nil {
			return false
		}
		m.states[i] = max(m.states[i], state)
		if e.mode.IsDir() {
			above = append(above, ancestor{e.path + "/", v})
		}
	}
	return true
}

// judge decides about a path below the source, given the verdict on its parent, as copier.copy of fsutil does.
func (f filter) judge(path string, parent verdict) (v verdict, state mark, err error) {
	path = filepath.FromSlash(path)
	included, without := true, false
	if f.include != nil {
		if included, v.include, err = f.include.MatchesUsingParentResults(path, parent.include); err != nil {
			return v, unmarked, err
		}
	}
	if f.exclude != nil {
		if without, v.exclude, err = f.exclude.MatchesUsingParentResults(path, parent.exclude); err != nil {
			return v, unmarked, err
		}
	}
	switch {
	case without:
		return v, isExcluded, nil
	case included:
		return v, isRead, nil
	}
	return v, unmarked, nil
}

// markParents marks the directories above all that remains: they are copied with it.
func (m *marks) markParents() {
	for i, state := range m.states {
		if state == isExcluded {
			continue
		}
		for path := m.tree.entries[i].path; ; {
			slash := strings.LastIndexByte(path, '/')
			if slash < 0 {
				break
			}
			path = path[:slash]
			parent, found := m.tree.index(path)
			if !found || m.states[parent] == isRead {
				break
			}
			m.states[parent] = isRead
		}
	}
}
