package source

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
)

// Reserved is a folder or a file that a program keeps for itself. It is never part of a tree, by whatever path the tree
// was reached. A folder that holds nothing else is no part of a tree either: it comes and goes with what is reserved.
type Reserved struct {
	Path string // absolute; it need not exist
	// Own is true for a path of this provider. Scan refuses such a folder and the folders in it, and Tree.ReservedPaths
	// does not name it.
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

// reservedBelow holds the reserved files and folders below the root of one scan. Paths are relative to the root. The
// zero value holds none.
type reservedBelow struct {
	all     []string
	names   map[string]map[string]bool // by the folder that has them; the value is Reserved.Own
	parents map[string]bool            // the folders that lead to them
	ids     map[fileID]bool            // of those that exist, because a mount shows one at another path; Reserved.Own
}

// fileID identifies a folder on this machine.
type fileID struct {
	device uint64
	inode  int64
}

// findReserved returns the reserved paths that lie below the folder at dir. The error is a *ReservedError.
func findReserved(dir string, reserved []Reserved) (reservedBelow, error) {
	if len(reserved) == 0 {
		return reservedBelow{}, nil
	}
	dir = withoutLinks(dir)
	below := reservedBelow{names: map[string]map[string]bool{}, parents: map[string]bool{}, ids: map[fileID]bool{}}
	folderID, hasID := identify(dir)
	for _, r := range reserved {
		resolved := withoutLinks(r.Path)
		id, exists := identify(resolved)
		isFolder := hasID && exists && folderID == id
		if r.Own && (isWithin(dir, resolved) || isFolder) {
			return reservedBelow{}, &ReservedError{Dir: dir, Folder: resolved}
		}
		if exists && !isFolder {
			below.ids[id] = r.Own
		}
		if isWithin(resolved, dir) && resolved != dir {
			inside, _ := filepath.Rel(dir, resolved) // isWithin has just computed it
			below.add(filepath.ToSlash(inside), r.Own)
		}
	}
	return below, nil
}

// add adds a reserved path.
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
	for existing := name; ; {
		resolved, err := filepath.EvalSymlinks(existing)
		if err == nil {
			return filepath.Join(resolved, missing)
		}
		parent := filepath.Dir(existing)
		if parent == existing || !errors.Is(err, fs.ErrNotExist) {
			return name
		}
		missing, existing = filepath.Join(filepath.Base(existing), missing), parent
	}
}
