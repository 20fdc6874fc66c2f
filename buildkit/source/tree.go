package source

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tonistiigi/fsutil/types"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/canon"
)

// Tree is a recorded tree of files, immutable once made. It is safe for concurrent use.
type Tree struct {
	root    string // "" when every file is in memory
	open    func(root string) (*os.Root, error)
	content map[string][]byte // of the files in memory
	entries []entry           // in the order of comparePaths
	skipped []string
	reservedPaths []string

	digestOnce sync.Once
	sum      [sha256.Size]byte // after digested

	mu   sync.Mutex
	sums map[string][sha256.Size]byte // of what uses read; see DigestOf
}

// entry is one file, directory or link as it was recorded.
type entry struct {
	path  string // slash-separated, relative to the root
	mode  os.FileMode
	size  int64             // bytes of a file or of a link's text
	mtime int64             // as it is sent, nanoseconds
	link  string            // text of a link
	sum   [sha256.Size]byte // of the content of a file
}

// FromFiles is a tree of regular files in memory, mode 0644, by name. Their time is the epoch.
func FromFiles(content map[string][]byte) *Tree {
	t := &Tree{content: content}
	for path, data := range content {
		sum := sha256.Sum256(data)
		t.entries = append(t.entries, entry{path: path, mode: 0o644, size: int64(len(data)), sum: sum, mtime: contentTime(time.Unix(0, 0), sum)})
	}
	slices.SortFunc(t.entries, func(a, b entry) int { return comparePaths(a.path, b.path) })
	return t
}

// Paths are those of all entries, in order.
func (t *Tree) Paths() []string {
	paths := make([]string, len(t.entries))
	for i := range t.entries {
		paths[i] = t.entries[i].path
	}
	return paths
}

// Has reports whether there is an entry at a path. A nil tree has none.
func (t *Tree) Has(path string) bool { return t != nil && t.find(path) != nil }

// Len is the number of entries, directories included.
func (t *Tree) Len() int { return len(t.entries) }

// Size is the number of bytes in all files.
func (t *Tree) Size() (n int64) {
	for i := range t.entries {
		n += t.entries[i].size
	}
	return n
}

// SkippedPaths are paths that would be in the tree if BuildKit could send them: sockets, FIFOs and devices, in order.
func (t *Tree) SkippedPaths() []string { return t.skipped }

// Folder is the weight of what is below a path: files and links, and their bytes as in Size.
type Folder struct {
	Name  string
	Files int
	Bytes int64
}

func (f Folder) with(e *entry) Folder {
	f.Bytes += e.size
	if !e.mode.IsDir() {
		f.Files++
	}
	return f
}

// Weight is that of the whole tree, and of each name in its root.
func (t *Tree) Weight() (all Folder, names map[string]Folder) {
	names = map[string]Folder{}
	var last Folder // what is below a name stands together
	for i := range t.entries {
		e := &t.entries[i]
		all = all.with(e)
		if name, _, _ := strings.Cut(e.path, "/"); name != last.Name {
			names[last.Name], last = last, Folder{Name: name}
		}
		last = last.with(e)
	}
	names[last.Name] = last
	delete(names, "") // before the first
	return all, names
}

// BiggestFolders are at most n of the folders, those with the most bytes first.
func BiggestFolders(folders map[string]Folder, n int) []Folder {
	sorted := slices.SortedFunc(maps.Values(folders), func(a, b Folder) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(b.Files, a.Files), cmp.Compare(a.Name, b.Name))
	})
	return sorted[:min(n, len(sorted))]
}

// DirModes encodes the modes of the directories: the one that most of them have, and the paths that have another. It stays
// as it is when directories of the common mode come and go, and no directory has two modes under one encoding.
//
// It belongs into the key under which a daemon keeps what it received: BuildKit changes the mode of a directory that it
// has already, but goes on with the checksum that it remembers of it, and copies the old directory into the image.
func (t *Tree) DirModes() []byte {
	counts := map[os.FileMode]int{}
	for i := range t.entries {
		if mode := t.entries[i].mode; mode.IsDir() {
			counts[mode]++
		}
	}
	common := os.ModeDir | 0o755
	for mode, n := range counts {
		if n > counts[common] || n == counts[common] && mode < common {
			common = mode
		}
	}
	encoded := binary.BigEndian.AppendUint32(nil, uint32(common))
	for i := range t.entries {
		if e := &t.entries[i]; e.mode.IsDir() && e.mode != common {
			encoded = binary.BigEndian.AppendUint32(canon.AppendField(encoded, e.path), uint32(e.mode))
		}
	}
	return encoded
}

// find is the entry at path, nil when the tree has none.
func (t *Tree) find(path string) *entry {
	i, found := t.index(path)
	if !found {
		return nil
	}
	return &t.entries[i]
}

// index is the place of the entry at path.
func (t *Tree) index(path string) (i int, found bool) {
	return slices.BinarySearchFunc(t.entries, path, func(e entry, path string) int { return comparePaths(e.path, path) })
}

// comparePaths orders paths part by part, on every system as fsutil.ComparePath does where slashes separate them.
func comparePaths(a, b string) int {
	for i := range min(len(a), len(b)) {
		switch {
		case a[i] == b[i]:
			continue
		case a[i] == '/', b[i] != '/' && a[i] < b[i]:
			return -1
		}
		return 1
	}
	return len(a) - len(b)
}

// stat is the entry as BuildKit is told of it: owned by root, hard links flattened, of the given second if there is one. The
// nanoseconds stay: they are the content.
func (e *entry) stat(epoch *int64) *types.Stat {
	return &types.Stat{Path: e.path, Mode: uint32(e.mode), Size: e.size, ModTime: e.modTime(epoch), Linkname: e.link}
}

// modTime returns the modification time that is sent.
func (e *entry) modTime(epoch *int64) int64 {
	if epoch == nil {
		return e.mtime
	}
	return *epoch*int64(time.Second) + int64(time.Unix(0, e.mtime).Nanosecond())
}
