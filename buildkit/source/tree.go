package source

import (
	"crypto/sha256"
	"os"
	"slices"
	"time"

	"github.com/tonistiigi/fsutil"
	"github.com/tonistiigi/fsutil/types"
)

// Tree is a recorded tree of files, immutable once made. It is safe for concurrent use.
type Tree struct {
	root    string // "" when every file is in memory
	entries []*entry
	byPath  map[string]*entry
}

// entry is one file, directory or link as it was recorded.
type entry struct {
	stat *types.Stat
	sum  [sha256.Size]byte // of the content of a file
	data []byte            // the content itself, of a file in memory
}

// Files is a tree of regular files in memory, mode 0644, by slash-separated path. Their time is the epoch.
func Files(content map[string][]byte) *Tree {
	entries := make([]*entry, 0, len(content))
	for path, data := range content {
		e := &entry{stat: &types.Stat{Path: path, Mode: 0o644, Size: int64(len(data))}, sum: sha256.Sum256(data), data: data}
		e.stat.ModTime = contentTime(time.Unix(0, 0), e.sum)
		entries = append(entries, e)
	}
	return newTree("", entries)
}

func newTree(root string, entries []*entry) *Tree {
	slices.SortFunc(entries, func(a, b *entry) int { return fsutil.ComparePath(a.stat.Path, b.stat.Path) })
	t := &Tree{root: root, entries: entries, byPath: make(map[string]*entry, len(entries))}
	for _, e := range entries {
		t.byPath[e.stat.Path] = e
	}
	return t
}

// Len is the number of entries, directories included.
func (t *Tree) Len() int { return len(t.entries) }

// Size is the number of bytes in all files.
func (t *Tree) Size() (n int64) {
	for _, e := range t.entries {
		n += e.stat.Size
	}
	return n
}

func (e *entry) mode() os.FileMode { return os.FileMode(e.stat.Mode) }
