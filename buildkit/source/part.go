package source

import "strings"

// PartWeight is the weight of what Scan would take of the tree in a narrower scope, files and bytes as in Weight, and of what it would leave:
// the folders and files, by path, that nothing at all is taken of, where what they are in is taken in part. It looks at no disk.
func (t *Tree) PartWeight(scope Scope) (taken Folder, left map[string]Folder, err error) {
	takes, err := t.takenIn(scope)
	if err != nil {
		return Folder{}, nil, err
	}
	touched := map[string]bool{} // directories of which something is taken
	for i, takes := range takes {
		for path := t.entries[i].path; takes && path != "" && !touched[path]; path = path[:max(0, strings.LastIndexByte(path, '/'))] {
			touched[path] = true
		}
	}
	left = map[string]Folder{}
	var last Folder // what is below a path stands together
	for i, takes := range takes {
		e := &t.entries[i]
		if takes {
			taken = taken.with(e)
			continue
		}
		if last.Name == "" || !strings.HasPrefix(e.path, last.Name+"/") {
			left[last.Name], last = last, Folder{Name: outermostUntouched(e.path, touched)}
		}
		last = last.with(e)
	}
	left[last.Name] = last
	delete(left, "") // directories that are there because of something in them
	return taken, left, nil
}

// outermostUntouched is the beginning of a path that is not touched, "" when all of it is.
func outermostUntouched(path string, touched map[string]bool) string {
	for i := 0; i < len(path); i++ {
		if path[i] == '/' && !touched[path[:i]] {
			return path[:i]
		}
	}
	if touched[path] {
		return ""
	}
	return path
}

// takenIn judges all entries. A directory may be there only because of what is in it.
func (t *Tree) takenIn(scope Scope) ([]bool, error) {
	m, err := scope.matchers()
	if err != nil {
		return nil, err
	}
	all := make([]bool, len(t.entries))
	above := []ancestor{{}} // of an entry, from the root down
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
			return nil, err
		}
		all[i] = v.taken
		if e.mode.IsDir() {
			above = append(above, ancestor{e.path + "/", v})
		}
	}
	return all, nil
}

// ancestor is a directory above what is being judged.
type ancestor struct {
	prefix  string // of every path in it
	verdict verdict
}
