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

// chunkSize is how many children of one folder are recorded in one goroutine: enough to be worth it, and few enough
// to share a folder of 100,000 files.
const chunkSize = 256

// visit lists a folder, records its children and visits the folders among them.
func (w *walk) visit(f *folder) {
	if w.failure() != nil {
		return
	}
	dir, err := openFolder(w.root, w.base, f.path)
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
	cache := w.cache.openFolder(f.path)
	var group sync.WaitGroup
	for i := range f.parts {
		part := children[i*chunkSize : min(len(children), (i+1)*chunkSize)]
		w.runTask(&group, func() { f.parts[i] = w.recordChildren(f, dir, part, cache) })
	}
	group.Wait()
	_ = dir.Close() // before going deeper: a deep tree must not need as many descriptors
	w.cache.storeFolder(f.path, cache, children)
	w.descend(f)
}

// descend visits the folders in f, in parallel.
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

// failOnFolder ends the walk with the error about a folder that cannot be read. It ignores a lack of permissions for a
// folder that the scope does not take: BuildKit would not read it either.
func (w *walk) failOnFolder(f *folder, err error) {
	if f.path != "." && !f.verdict.taken && errors.Is(err, fs.ErrPermission) {
		return
	}
	w.fail(withPath(f.path, err))
}

// recordChildren records those of the children that are taken, and the folders that may have some.
func (w *walk) recordChildren(f *folder, dir *os.File, children []fs.DirEntry, cache *folderCache) []walkedChild {
	m := w.matchers.Get().(*matchers)
	defer w.matchers.Put(m)
	defer w.watch.drainScan()
	recorded := make([]walkedChild, 0, len(children))
	for _, child := range children {
		if w.failure() != nil {
			return nil
		}
		c, err := w.recordChild(f, dir, child, m, cache)
		if costly, ok := errors.AsType[*patternsError](err); ok {
			w.fail(costly)
			return nil
		}
		if err != nil {
			w.fail(withPath(path.Join(f.path, child.Name()), err))
			return nil
		}
		if c.taken || c.folder != nil {
			recorded = append(recorded, c)
		}
	}
	return recorded
}

// recordChild records one child if it, or something below it, can be taken. If not, it returns the zero value.
func (w *walk) recordChild(
	f *folder, dir *os.File, child fs.DirEntry, m *matchers, cache *folderCache,
) (walkedChild, error) {
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
		return walkedChild{}, errors.New("the name is not UTF-8, which BuildKit cannot send: " +
			"rename it or add it to .dockerignore")
	}
	info, err := lstat(dir, child)
	if err != nil {
		return walkedChild{}, err
	}
	mtime := time.Unix(info.mtime, 0).UnixNano()
	c := walkedChild{taken: v.taken, entry: entry{path: name, mode: info.mode, mtime: mtime}}
	if !info.mode.IsDir() {
		err := w.recordContent(dir, child.Name(), info, &c.entry, cache)
		return c, err
	}
	if own, ok := w.reserved.ids[fileID{device: info.device, inode: info.inode}]; ok {
		w.addReserved(name, own)
		return walkedChild{}, nil
	}
	c.folder = &folder{path: name, mtime: info.mtime, verdict: v}
	return c, nil
}

// recordContent fills in the content of a file, or the text of a link.
func (w *walk) recordContent(dir *os.File, name string, info fileInfo, e *entry, cache *folderCache) error {
	if info.links > 1 { // it may change by a name elsewhere
		w.watch.giveUp()
	}
	if info.mode.IsRegular() {
		return w.hashContent(dir, name, info, e, cache)
	}
	if err := readLink(dir, name, e); err != nil {
		return err
	}
	if !utf8.ValidString(e.link) {
		return fmt.Errorf("the link's text %q is not UTF-8, which BuildKit cannot send: "+
			"make it anew or add it to .dockerignore", e.link)
	}
	return nil
}

// canSend tells whether a build context may hold a file of the mode. A socket would become an empty file, a device a
// device.
func canSend(m fs.FileMode) bool { return m.IsRegular() || m.IsDir() || m&fs.ModeSymlink != 0 }

// withPath returns the error with the path in it once, quoted where it could be misread.
func withPath(name string, err error) error {
	if errors.As(err, new(*ChangedError)) {
		return err
	}
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		err = pathErr.Err
	}
	if !utf8.ValidString(name) {
		return fmt.Errorf("%q: %w", name, err)
	}
	return fmt.Errorf("%s: %w", name, err)
}
