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

// chunkSize is how many children of one directory are looked at in one go: enough to be worth a goroutine, few enough to share
// a directory of 100,000 files.
const chunkSize = 256

// visit lists a folder, looks at its children and goes on into the folders among them.
func (w *walk) visit(f *folder) {
	if w.failure() != nil {
		return
	}
	dir, err := openDir(w.root, w.base, f.path)
	if err != nil {
		w.failOnFolder(f, err)
		return
	}
	w.watch.addFolder(f, dir)
	f.reserved, f.leadsToReserved = w.reserved.names[f.path], w.leadsToReserved(f)
	children, err := dir.ReadDir(-1)
	if err != nil {
		_ = dir.Close()
		w.failOnFolder(f, err)
		return
	}
	slices.SortFunc(children, func(a, b fs.DirEntry) int { return cmp.Compare(a.Name(), b.Name()) })
	f.parts = make([][]walkedChild, (len(children)+chunkSize-1)/chunkSize)
	look := w.remembered.openFolder(f.path)
	var group sync.WaitGroup
	for i := range f.parts {
		part := children[i*chunkSize : min(len(children), (i+1)*chunkSize)]
		w.runTask(&group, func() { f.parts[i] = w.recordChildren(f, dir, part, look) })
	}
	group.Wait()
	_ = dir.Close() // before going deeper: a deep tree must not need as many descriptors
	w.remembered.storeFolder(f.path, look, children)
	w.descend(f)
}

// descend visits the folders below f, side by side.
func (w *walk) descend(f *folder) {
	var group sync.WaitGroup
	for _, part := range f.parts {
		for i := range part {
			if sub := part[i].folder; sub != nil {
				w.runTask(&group, func() { w.visit(sub) })
			}
		}
	}
	group.Wait()
}

// failOnFolder is no error for a folder that is not taken: BuildKit would not want it either.
func (w *walk) failOnFolder(f *folder, err error) {
	if f.path != "." && !f.verdict.taken && errors.Is(err, fs.ErrPermission) {
		return
	}
	w.fail(withPath(f.path, err))
}

// recordChildren judges and records some children of a folder.
func (w *walk) recordChildren(f *folder, dir *os.File, children []fs.DirEntry, known *folderCache) []walkedChild {
	m := w.matchers.Get().(*matchers)
	defer w.matchers.Put(m)
	defer w.watch.drainScan()
	taken := make([]walkedChild, 0, len(children))
	for _, child := range children {
		if w.failure() != nil {
			return nil
		}
		one, err := w.recordChild(f, dir, child, m, known)
		if costly, ok := errors.AsType[*patternsError](err); ok {
			w.fail(costly)
			return nil
		}
		if err != nil {
			w.fail(withPath(path.Join(f.path, child.Name()), err))
			return nil
		}
		if one.taken || one.folder != nil {
			taken = append(taken, one)
		}
	}
	return taken
}

// recordChild judges one child and, when it or something below it can be taken, records it.
func (w *walk) recordChild(f *folder, dir *os.File, child fs.DirEntry, m *matchers, known *folderCache) (walkedChild, error) {
	name := path.Join(f.path, child.Name())
	v, err := w.judge(m, name, child.IsDir(), f.verdict)
	if err != nil || !v.taken && (!child.IsDir() || v.prune) {
		return walkedChild{}, err
	}
	if own, ok := f.reserved[child.Name()]; ok {
		w.addReserved(name, own)
		return walkedChild{}, nil
	}
	if !canSend(child.Type()) {
		w.addSkipped(name)
		return walkedChild{}, nil
	}
	if !utf8.ValidString(name) {
		return walkedChild{}, errors.New("the name is not UTF-8, which BuildKit cannot send: rename it or add it to .dockerignore")
	}
	info, err := lstat(dir, child)
	if err != nil {
		return walkedChild{}, err
	}
	if info.links > 1 && !info.mode.IsDir() { // it may change by a name elsewhere
		w.watch.giveUp()
	}
	if info.mode.IsDir() {
		if own, ok := w.reserved.ids[fileID{device: info.device, inode: info.inode}]; ok {
			w.addReserved(name, own)
			return walkedChild{}, nil
		}
	}
	one := walkedChild{taken: v.taken, entry: entry{path: name, mode: info.mode, mtime: time.Unix(info.mtime, 0).UnixNano()}}
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

// canSend tells what a build context is made of. A socket would become an empty file, a device a device.
func canSend(m fs.FileMode) bool { return m.IsRegular() || m.IsDir() || m&fs.ModeSymlink != 0 }

// withPath names the path of an error once, quoted where it could be misread.
func withPath(name string, err error) error {
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
