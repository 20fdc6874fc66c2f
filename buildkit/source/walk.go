package source

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"sync"
	"time"
	"unicode/utf8"
)

// chunk is how many children of one directory are looked at in one go: enough to be worth a goroutine, few enough to share
// a directory of 100,000 files.
const chunk = 256

// visit lists a folder, looks at its children and goes on into the folders among them.
func (w *walk) visit(f *folder) {
	if w.failure() != nil {
		return
	}
	dir, err := openDir(w.root, w.base, f.path)
	if err != nil {
		w.unreadable(f, err)
		return
	}
	w.watch.folder(f, dir)
	f.reserved, f.leads = w.reserved.names[f.path], w.leadTo(f)
	children, err := dir.ReadDir(-1)
	if err != nil {
		_ = dir.Close()
		w.unreadable(f, err)
		return
	}
	slices.SortFunc(children, func(a, b fs.DirEntry) int { return cmp.Compare(a.Name(), b.Name()) })
	f.parts = make([][]found, (len(children)+chunk-1)/chunk)
	look := w.remembered.folder(f.path)
	var group sync.WaitGroup
	for i := range f.parts {
		part := children[i*chunk : min(len(children), (i+1)*chunk)]
		w.spread(&group, func() { f.parts[i] = w.look(f, dir, part, look) })
	}
	group.Wait()
	_ = dir.Close() // before going deeper: a deep tree must not need as many descriptors
	w.remembered.leave(f.path, look, children)
	w.descend(f)
}

// descend visits the folders below f, side by side.
func (w *walk) descend(f *folder) {
	var group sync.WaitGroup
	for _, part := range f.parts {
		for i := range part {
			if sub := part[i].folder; sub != nil {
				w.spread(&group, func() { w.visit(sub) })
			}
		}
	}
	group.Wait()
}

// unreadable is no error for a folder that is not taken: BuildKit would not want it either.
func (w *walk) unreadable(f *folder, err error) {
	if f.path != "." && !f.verdict.taken && errors.Is(err, fs.ErrPermission) {
		return
	}
	w.fail(at(f.path, err))
}

// look judges and records some children of a folder.
func (w *walk) look(f *folder, dir *os.File, children []fs.DirEntry, known *knownFolder) []found {
	m := w.matchers.Get().(*matchers)
	defer w.matchers.Put(m)
	defer w.watch.settle()
	taken := make([]found, 0, len(children))
	for _, child := range children {
		if w.failure() != nil {
			return nil
		}
		one, err := w.lookAt(f, dir, child, m, known)
		if costly, ok := errors.AsType[*patternsError](err); ok {
			w.fail(costly)
			return nil
		}
		if err != nil {
			w.fail(at(path.Join(f.path, child.Name()), err))
			return nil
		}
		if one.taken || one.folder != nil {
			taken = append(taken, one)
		}
	}
	return taken
}

// lookAt judges one child and, when it or something below it can be taken, records it.
func (w *walk) lookAt(f *folder, dir *os.File, child fs.DirEntry, m *matchers, known *knownFolder) (found, error) {
	name := path.Join(f.path, child.Name())
	v, err := w.judge(m, name, child.IsDir(), f.verdict)
	if err != nil || !v.taken && (!child.IsDir() || v.prune) {
		return found{}, err
	}
	if own, ok := f.reserved[child.Name()]; ok {
		w.leaveOut(name, own)
		return found{}, nil
	}
	if !sendable(child.Type()) {
		w.skip(name)
		return found{}, nil
	}
	if !utf8.ValidString(name) {
		return found{}, errors.New("the name is not UTF-8, which BuildKit cannot send: rename it or add it to .dockerignore")
	}
	info, err := lstat(dir, child)
	if err != nil {
		return found{}, err
	}
	if info.links > 1 && !info.mode.IsDir() { // it may change by a name elsewhere
		w.watch.lose()
	}
	if info.mode.IsDir() {
		if own, ok := w.reserved.ids[fileID{device: info.device, inode: info.inode}]; ok {
			w.leaveOut(name, own)
			return found{}, nil
		}
	}
	one := found{taken: v.taken, entry: entry{path: name, mode: info.mode, mtime: time.Unix(info.mtime, 0).UnixNano()}}
	switch {
	case info.mode.IsDir():
		one.folder = &folder{path: name, mtime: info.mtime, verdict: v}
	case info.mode.IsRegular():
		err = w.read(dir, child.Name(), info, &one.entry, known)
	default:
		if err = readLink(dir, child.Name(), &one.entry); err != nil {
			return one, err
		}
		if !utf8.ValidString(one.entry.link) {
			err = fmt.Errorf("the link's text %q is not UTF-8, which BuildKit cannot send: make it anew or add it to .dockerignore", one.entry.link)
		}
	}
	return one, err
}

// sendable tells what a build context is made of. A socket would become an empty file, a device a device.
func sendable(m fs.FileMode) bool { return m.IsRegular() || m.IsDir() || m&fs.ModeSymlink != 0 }

// at names the path of an error once, quoted where it could be misread.
func at(name string, err error) error {
	if errors.As(err, new(*ChangedError)) {
		return err
	}
	var known *fs.PathError
	if errors.As(err, &known) {
		err = known.Err
	}
	if !utf8.ValidString(name) {
		return fmt.Errorf("%q: %w", name, err)
	}
	return fmt.Errorf("%s: %w", name, err)
}
