package source

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/private"
)

// cacheVariable switches the cache off when it is "off".
const cacheVariable = "PULUMI_BUILDKIT_STAT_CACHE"

// clockSlack is how far the clock of a file system may be behind ours, and how coarse it may be. A file that was changed later than
// this before it was read is not remembered: it could be changed once more and look the same.
const clockSlack = 2 * time.Second

// Bounds of the cache: bytes of one context's file, files and bytes in all.
const (
	cacheFileLimit = 64 << 20
	cacheFiles     = 1000
	cacheBytes     = 1 << 30
)

// Cache remembers the digests of files by their size, modification time, change time and inode, so that a file that has not
// changed is not read again. It is never needed for a result and never changes one: what is damaged, foreign or doubtful
// in it is ignored, and what cannot be written is not remembered. A nil Cache remembers nothing. Neither does one whose folder
// other users may write to: they could say what a file contains.
//
// Each context has a file of its own, which is replaced as a whole: any number of processes may share a cache.
type Cache struct{ dir string }

// newCache returns a cache in dir, which is made with mode 0700 when something is to be remembered.
func newCache(dir string) *Cache { return &Cache{dir: dir} }

// UserCache is the cache in the user's cache folder; nil when the environment variable PULUMI_BUILDKIT_STAT_CACHE is "off", the
// user has no such folder, or on Windows, where lstat tells neither change time nor inode: a change that keeps size and
// modification time would be missed.
func UserCache() *Cache {
	base, err := private.CacheFolder()
	if err != nil || os.Getenv(cacheVariable) == "off" || !hasChangeTimes {
		return nil
	}
	return newCache(filepath.Join(base, "stat"))
}

// contextCache is what the cache knows of one context during one scan. Nil knows nothing.
type contextCache struct {
	cache   *Cache
	context string            // absolute path
	blocks  map[string][]byte // encoded folders by path

	mu     sync.Mutex
	updated   map[string][]byte // encoded folders of which this scan knows more
	visited map[string]bool   // folders that this scan came to
}

// folderCache is what is known of the files of one folder. Nil knows nothing.
type folderCache struct {
	records []record // by name

	mu      sync.Mutex
	added []record
}

// record is one file.
type record struct {
	name  []byte
	state fileState
	sum   [sha256.Size]byte
	stale  bool // something else is there now
}

// fileState changes whenever the content does, but for racy files.
type fileState struct{ size, mtime, ctime, inode int64 }

func stateOf(m fileInfo) fileState {
	return fileState{size: m.size, mtime: m.mtime*int64(time.Second) + m.mtimeN, ctime: m.ctime, inode: m.inode}
}

func (c *Cache) open(context string) *contextCache {
	if c == nil {
		return nil
	}
	r := &contextCache{cache: c, context: context, updated: map[string][]byte{}, visited: map[string]bool{}}
	data, err := c.read(cacheName(context))
	if err == nil {
		r.blocks = decodeCache(data, context) // nil when it is damaged or about another directory
	}
	return r
}

// read returns the content of a file of the cache, unless other users could have written it.
func (c *Cache) read(name string) ([]byte, error) {
	dir, err := private.Find(c.dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = dir.Close() }()
	return dir.Read(name, cacheFileLimit)
}

// cacheName is the name of the file about a context, which also holds the context's path.
func cacheName(context string) string {
	sum := sha256.Sum256([]byte(context))
	return hex.EncodeToString(sum[:16])
}

// openFolder is called once for each folder of a walk.
func (r *contextCache) openFolder(path string) *folderCache {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	r.visited[path] = true
	r.mu.Unlock()
	return &folderCache{records: decodeRecords(r.blocks[path])}
}

// storeFolder is called when a folder with these children, sorted, has been looked at. Only what is new is kept, and that encoded: there
// may be many. A file that this scan does not take may be another's, and is remembered as long as it is there.
func (r *contextCache) storeFolder(path string, k *folderCache, children []fs.DirEntry) {
	if r == nil || len(k.added) == 0 {
		return
	}
	k.records = slices.DeleteFunc(k.records, func(r record) bool {
		i, found := slices.BinarySearchFunc(children, string(r.name), func(d fs.DirEntry, name string) int { return cmp.Compare(d.Name(), name) })
		return r.stale || !found || !children[i].Type().IsRegular()
	})
	block := k.encode()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.updated[path] = block
}

// recall fills in the digest of a file that has not changed. It is safe for concurrent use for different names.
func (k *folderCache) recall(name string, info fileInfo, e *entry) bool {
	if k == nil {
		return false
	}
	i, found := slices.BinarySearchFunc(k.records, name, func(r record, name string) int { return bytes.Compare(r.name, []byte(name)) })
	if !found {
		return false
	}
	if k.records[i].state != stateOf(info) {
		k.records[i].stale = true
		return false
	}
	e.sum = k.records[i].sum
	return true
}

// learn remembers a file that was read at started or later, unless it is too young for its times to tell a later change.
func (k *folderCache) learn(name string, info fileInfo, e *entry, started time.Time) {
	state := stateOf(info)
	if k == nil || max(state.mtime, state.ctime) > started.Add(-clockSlack).UnixNano() {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.added = append(k.added, record{name: []byte(name), state: state, sum: e.sum})
}

// save writes what is new. A failure is not told: the next scan reads the files again.
func (r *contextCache) save(ctx context.Context) {
	if r == nil || ctx.Err() != nil || len(r.updated) == 0 {
		return
	}
	data := r.encode(cacheFileLimit)
	if len(data) > cacheFileLimit {
		return
	}
	dir, err := private.Open(r.cache.dir)
	if err != nil {
		return
	}
	defer func() { _ = dir.Close() }()
	_ = dir.Write(cacheName(r.context), data)
	dir.KeepNewest(cacheFiles, cacheBytes)
}
