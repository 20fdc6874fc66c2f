package source

import (
	"strings"
)

// mark says what uses do with an entry. The greater one wins.
type mark uint8

const (
	unmarked   mark = iota
	isExcluded      // by at least one use
	isRead          // by at least one use
)

// marks holds the mark of each entry of a tree.
type marks struct {
	tree   *Tree
	states []mark
}

// markUses returns the mark of each entry of a tree. It returns false if it cannot tell what one of the uses reads.
func markUses(t *Tree, uses []Use) ([]mark, bool) {
	m := marks{tree: t, states: make([]mark, len(t.entries))}
	for _, u := range uses {
		if !m.markUse(u) {
			return nil, false
		}
	}
	m.markParents()
	return m.states, true
}

// markUse marks what a use reads and what it excludes. It returns false if it cannot tell that.
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

// markBelow marks the entries that are copied from a source and those that its patterns exclude. No link is on the way
// to target. It returns false for patterns that are wrong.
func (m *marks) markBelow(target string, f filter) bool {
	prefix, first := "", 0
	if target != "" {
		i, ok := m.tree.index(target)
		if !ok {
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
			above = append(above, ancestor{prefix: e.path + "/", verdict: v})
		}
	}
	return true
}

// markParents marks the folders above all entries that are not excluded as read: they are copied with them.
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
			parent, ok := m.tree.index(path)
			if !ok || m.states[parent] == isRead {
				break
			}
			m.states[parent] = isRead
		}
	}
}

// markRead marks the entry at a path as read and returns it. It returns nil if there is none.
func (m *marks) markRead(name string) *entry {
	i, ok := m.tree.index(name)
	if !ok {
		return nil
	}
	m.states[i] = isRead
	return &m.tree.entries[i]
}
