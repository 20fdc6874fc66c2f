package source

import (
	"crypto/sha256"
	"encoding/binary"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/canon"
)

// Tree is a recorded tree of files. It does not change, and is safe for concurrent use.
type Tree struct {
	root          string // "" when every file is in memory
	open          func(root string) (*os.Root, error)
	content       map[string][]byte // of the files in memory
	entries       []entry           // in the order of comparePaths
	skipped       []string
	reservedPaths []string

	digestOnce sync.Once
	sum        [sha256.Size]byte // valid after digestOnce

	mu   sync.Mutex
	sums map[string][sha256.Size]byte // the results of DigestOf, by the uses
}

// FromFiles returns a tree of regular files in memory, by name. Their mode is 0644 and their time is the epoch.
func FromFiles(content map[string][]byte) *Tree {
	t := &Tree{content: content}
	for path, data := range content {
		sum := sha256.Sum256(data)
		mtime := contentTime(time.Unix(0, 0), sum)
		t.entries = append(t.entries, entry{path: path, mode: 0o644, size: int64(len(data)), sum: sum, mtime: mtime})
	}
	slices.SortFunc(t.entries, func(a, b entry) int { return comparePaths(a.path, b.path) })
	return t
}

// Root returns the absolute path of the folder that was recorded, as it was given.
func (t *Tree) Root() string { return t.root }

// Paths returns the paths of all entries, in order.
func (t *Tree) Paths() []string {
	paths := make([]string, len(t.entries))
	for i := range t.entries {
		paths[i] = t.entries[i].path
	}
	return paths
}

// SkippedPaths returns the paths of the sockets, FIFOs and devices in the scope, in order. BuildKit cannot send them,
// so they are not in the tree.
func (t *Tree) SkippedPaths() []string { return t.skipped }

// ReservedPaths returns the reserved paths that would otherwise be in the tree, in order. Those with Reserved.Own are
// not among them.
func (t *Tree) ReservedPaths() []string { return t.reservedPaths }

// Has tells whether there is an entry at path. A nil tree has none.
func (t *Tree) Has(path string) bool { return t != nil && t.find(path) != nil }

// Len returns the number of entries, folders included.
func (t *Tree) Len() int { return len(t.entries) }

// Size returns the number of bytes in all files.
func (t *Tree) Size() (n int64) {
	for i := range t.entries {
		n += t.entries[i].size
	}
	return n
}

// Weight returns the weight of the whole tree, and of each name in its root.
func (t *Tree) Weight() (all Folder, names map[string]Folder) { return weigh(t.entries) }

// PartWeight divides the weight of the tree between what Scan would take in a narrower scope, and the rest. It looks at
// no disk.
//
// The rest is by path: the outermost folders and files of which Scan would take nothing.
func (t *Tree) PartWeight(scope Scope) (taken Folder, left map[string]Folder, err error) {
	takes, err := judgeAll(t.entries, scope)
	if err != nil {
		return Folder{}, nil, err
	}
	taken, left = weighParts(t.entries, takes)
	return taken, left, nil
}

// Digest returns the digest of the tree in the format of the package comment. It computes it once, because many images
// may share a tree.
func (t *Tree) Digest() [sha256.Size]byte {
	t.digestOnce.Do(func() { t.sum = hashEntries(t.entries) })
	return t.sum
}

// DigestOf returns the digest of what the uses read of the tree. It computes it once for equal uses.
func (t *Tree) DigestOf(uses []Use) [sha256.Size]byte {
	if uses == nil {
		return t.Digest()
	}
	key := []byte{}
	for _, u := range uses {
		key = canon.AppendField(key, u.key())
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	sum, ok := t.sums[string(key)]
	if !ok {
		sum = t.WithoutExcluded(uses).Digest()
		if t.sums == nil {
			t.sums = map[string][sha256.Size]byte{}
		}
		t.sums[string(key)] = sum
	}
	return sum
}

// WithoutExcluded returns the tree without the entries that at least one use excludes and no use reads. They have no
// effect on a build: trees that are equal without them make equal images. With nil uses it returns the whole tree.
func (t *Tree) WithoutExcluded(uses []Use) *Tree {
	if uses == nil {
		return t
	}
	states, ok := markUses(t, uses)
	if !ok || !slices.Contains(states, isExcluded) {
		return t
	}
	rest := &Tree{root: t.root, open: t.open, content: t.content, skipped: t.skipped}
	for i, state := range states {
		if state != isExcluded {
			rest.entries = append(rest.entries, t.entries[i])
		}
	}
	return rest
}

// AppendListing appends a listing of the tree: its paths with their types, modes and marks of their contents. It is for
// Changes, on this machine; its format may change with any version.
func (t *Tree) AppendListing(into []byte) []byte { return appendListing(into, t.entries) }

// Changes compares the tree with an older listing and returns what is different, in the order of paths. It returns
// false for bytes that are no listing.
//
// An entry of the listing that is not in the tree was removed. If it still exists, the build no longer reads it;
// Changes then says nothing about the entries below it.
func (t *Tree) Changes(listing []byte, exists func(path string) bool) (changes []Change, ok bool) {
	return compareListing(t.entries, listing, exists)
}

// FolderModes encodes the modes of the folders: the one that most of them have, and the paths that have another. It
// stays as it is when folders of the common mode come and go. No folder has two modes under one encoding.
//
// It belongs into the key under which a daemon keeps what it received. BuildKit changes the mode of a folder that it
// has already, but goes on with the checksum that it remembers of it, and copies the old folder into the image.
func (t *Tree) FolderModes() []byte {
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

// find returns the entry at path, or nil.
func (t *Tree) find(path string) *entry {
	i, ok := t.index(path)
	if !ok {
		return nil
	}
	return &t.entries[i]
}

// index returns the position of the entry at path.
func (t *Tree) index(path string) (i int, ok bool) {
	compare := func(e entry, path string) int { return comparePaths(e.path, path) }
	return slices.BinarySearchFunc(t.entries, path, compare)
}
