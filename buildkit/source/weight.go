package source

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// Folder is the weight of what is below a path: the number of files and links, and their bytes as in Tree.Size.
type Folder struct {
	Name  string
	Files int
	Bytes int64
}

// with returns the weight with that of an entry added.
func (f Folder) with(e *entry) Folder {
	f.Bytes += e.size
	if !e.mode.IsDir() {
		f.Files++
	}
	return f
}

// BiggestFolders returns at most n of the folders, the ones with the most bytes first.
func BiggestFolders(folders map[string]Folder, n int) []Folder {
	sorted := slices.SortedFunc(maps.Values(folders), func(a, b Folder) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(b.Files, a.Files), cmp.Compare(a.Name, b.Name))
	})
	return sorted[:min(n, len(sorted))]
}

// weigh returns the weight of all entries, and of each name in the root.
func weigh(entries []entry) (all Folder, names map[string]Folder) {
	names = map[string]Folder{}
	var last Folder // the entries below a name stand together
	for i := range entries {
		e := &entries[i]
		all = all.with(e)
		if name, _, _ := strings.Cut(e.path, "/"); name != last.Name {
			names[last.Name], last = last, Folder{Name: name}
		}
		last = last.with(e)
	}
	names[last.Name] = last
	delete(names, "") // the empty weight before the first name
	return all, names
}

// weighParts returns the weight of the entries that are taken, and by path that of the outermost folders and files of
// which nothing is.
func weighParts(entries []entry, takes []bool) (taken Folder, left map[string]Folder) {
	touched := touchedPaths(entries, takes)
	left = map[string]Folder{}
	var last Folder // the entries below a path stand together
	for i, takes := range takes {
		e := &entries[i]
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
	delete(left, "") // folders that are there because of something in them
	return taken, left
}

// touchedPaths returns the paths of the entries that are taken, and of the folders above them.
func touchedPaths(entries []entry, takes []bool) map[string]bool {
	touched := map[string]bool{}
	for i, takes := range takes {
		for path := entries[i].path; takes && path != "" && !touched[path]; {
			touched[path] = true
			path = path[:max(0, strings.LastIndexByte(path, '/'))]
		}
	}
	return touched
}

// outermostUntouched returns the outermost folder of a path that is not touched, or the path itself. It returns "" if
// all of them are touched.
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

// judgeAll tells for each entry whether the scope takes it. A folder that is not taken may be in the tree because of
// something in it.
func judgeAll(entries []entry, scope Scope) ([]bool, error) {
	m, err := scope.matchers()
	if err != nil {
		return nil, err
	}
	takes := make([]bool, len(entries))
	above := []ancestor{{}} // of an entry, from the root down
	for i := range entries {
		e := &entries[i]
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
		takes[i] = v.taken
		if e.mode.IsDir() {
			above = append(above, ancestor{prefix: e.path + "/", verdict: v})
		}
	}
	return takes, nil
}

// ancestor is a folder above the entry that is judged.
type ancestor struct {
	prefix  string // of every path in it
	verdict verdict
}
