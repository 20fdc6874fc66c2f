package source

import "strings"

// Part is the weight of what Scan would take of the tree in a narrower scope: entries, and bytes as in Size. It looks at no
// disk.
func (t *Tree) Part(scope Scope) (entries int, bytes int64, err error) {
	m, err := scope.matchers()
	if err != nil {
		return 0, 0, err
	}
	above := []ancestor{{taken: true}} // of an entry, from the root down
	for i := range t.entries {
		e := &t.entries[i]
		for !strings.HasPrefix(e.path, above[len(above)-1].prefix) {
			above = above[:len(above)-1]
		}
		parent := above[len(above)-1].verdict
		if parent.prune {
			continue
		}
		v, err := m.judge(e.path, e.mode.IsDir(), parent)
		if err != nil {
			return 0, 0, err
		}
		if v.taken {
			entries += 1 + take(above)
			bytes += e.size
		}
		if e.mode.IsDir() {
			above = append(above, ancestor{e.path + "/", v, v.taken})
		}
	}
	return entries, bytes, nil
}

// ancestor is a directory above what is being judged.
type ancestor struct {
	prefix  string // of every path in it
	verdict verdict
	taken   bool // itself, or because of something below it
}

// take counts the directories that are taken because of something in the last one, and were not before.
func take(above []ancestor) (n int) {
	for i := len(above) - 1; !above[i].taken; i-- {
		above[i].taken = true
		n++
	}
	return n
}
