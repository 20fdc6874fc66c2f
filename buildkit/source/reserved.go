package source

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Reserved is a folder or a file that a program keeps for itself. It is never part of a tree, by whatever path the tree
// was reached, and neither are folders that hold nothing else: they come and go with it.
type Reserved struct {
	Path string // absolute; it need not exist
	// Own is true for what this provider keeps. To scan such a folder, or one in it, is an error, and that it is left out is
	// not told.
	Own bool
}

// ReservedError says that a folder is a reserved one, or lies in one.
type ReservedError struct {
	Dir    string // without links
	Folder string // the reserved one, without links
}

func (e *ReservedError) Error() string {
	if e.Dir == e.Folder {
		return e.Dir + " is a folder that the provider keeps for itself"
	}
	return fmt.Sprintf("%s is in %s, a folder that the provider keeps for itself", e.Dir, e.Folder)
}

// reservedBelow are the reserved files and folders below the root of one scan, in paths relative to it. The zero value is none.
type reservedBelow struct {
	all   []string
	names map[string]map[string]bool // by the folder that has them; true: this provider's
	parents  map[string]bool            // the folders that lead to them
	ids   map[fileID]bool            // of those that exist, true for this provider's: a mount shows one at another path
}

// fileID identifies a directory on this machine.
type fileID struct {
	device uint64
	inode  int64
}

// findReserved returns those of the reserved paths that lie below the folder at dir. The error is a *ReservedError.
func findReserved(dir string, reserved []Reserved) (reservedBelow, error) {
	if len(reserved) == 0 {
		return reservedBelow{}, nil
	}
	dir = withoutLinks(dir)
	found := reservedBelow{names: map[string]map[string]bool{}, parents: map[string]bool{}, ids: map[fileID]bool{}}
	own, hasOwn := identify(dir)
	for _, r := range reserved {
		place := withoutLinks(r.Path)
		id, exists := identify(place)
		if r.Own && (isWithin(dir, place) || hasOwn && exists && own == id) {
			return reservedBelow{}, &ReservedError{Dir: dir, Folder: place}
		}
		if exists && (!hasOwn || own != id) {
			found.ids[id] = r.Own
		}
		if isWithin(place, dir) && place != dir {
			inside, _ := filepath.Rel(dir, place) // it is within
			found.add(filepath.ToSlash(inside), r.Own)
		}
	}
	return found, nil
}

func (r *reservedBelow) add(name string, own bool) {
	if slices.Contains(r.all, name) {
		return
	}
	r.all = append(r.all, name)
	folder := path.Dir(name)
	if r.names[folder] == nil {
		r.names[folder] = map[string]bool{}
	}
	r.names[folder][path.Base(name)] = own
	for ; folder != "."; folder = path.Dir(folder) {
		r.parents[folder] = true
	}
}

// isWithin tells whether a path is dir, or lies below it.
func isWithin(name, dir string) bool {
	inside, err := filepath.Rel(dir, name)
	return err == nil && filepath.IsLocal(inside)
}

// withoutLinks returns a path with the links in it resolved, as far as it exists.
func withoutLinks(name string) string {
	name = filepath.Clean(name)
	missing := ""
	for at := name; ; {
		resolved, err := filepath.EvalSymlinks(at)
		if err == nil {
			return filepath.Join(resolved, missing)
		}
		up := filepath.Dir(at)
		if up == at || !errors.Is(err, fs.ErrNotExist) {
			return name
		}
		missing, at = filepath.Join(filepath.Base(at), missing), up
	}
}

// leadsToReserved tells whether a folder is on the way to a reserved path that no pattern leaves out.
func (w *walk) leadsToReserved(f *folder) bool {
	if !w.reserved.parents[f.path] {
		return false
	}
	m := w.matchers.Get().(*matchers)
	defer w.matchers.Put(m)
	for _, name := range w.reserved.all {
		if rest, ok := strings.CutPrefix(name, f.path+"/"); ok && m.reaches(f, rest) {
			return true
		}
	}
	return false
}

// reaches tells whether something of the folder at the path rest below f may be taken.
func (m *matchers) reaches(f *folder, rest string) bool {
	at, v := f.path, f.verdict
	for step := range strings.SplitSeq(rest, "/") {
		at = path.Join(at, step)
		var err error
		if v, err = m.judge(at, true, v); err != nil || v.prune {
			return false
		}
	}
	return true
}

// ReservedPaths are the reserved paths that would otherwise be in the tree, in order, but for those that are this provider's own.
func (t *Tree) ReservedPaths() []string { return t.reservedPaths }

// Root is the absolute path of the directory that was recorded, as it was given.
func (t *Tree) Root() string { return t.root }

// addReserved notes what is reserved, unless this provider keeps it.
func (w *walk) addReserved(name string, own bool) {
	if own {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reservedFound = append(w.reservedFound, name)
}
