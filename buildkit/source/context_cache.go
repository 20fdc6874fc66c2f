package source

import (
	"cmp"
	"context"
	"io/fs"
	"maps"
	"slices"
	"sync"
)

// contextCache is what the cache knows of one context during one scan. Nil knows nothing.
type contextCache struct {
	cache   *Cache
	context string            // absolute path
	blocks  map[string][]byte // encoded folders by path

	mu      sync.Mutex
	updated map[string][]byte // encoded folders of which this scan knows more
	visited map[string]bool   // folders that this scan came to
}

// openFolder returns what the cache knows of a folder. A walk calls it once for each of its folders.
func (c *contextCache) openFolder(path string) *folderCache {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	c.visited[path] = true
	c.mu.Unlock()
	return &folderCache{records: decodeRecords(c.blocks[path])}
}

// storeFolder keeps what a scan has learned of a folder with these children, which are sorted. It keeps folders with
// news only, and encodes them, because there may be many.
//
// A file that this scan does not take may be another scan's, so it is remembered as long as it exists.
func (c *contextCache) storeFolder(path string, f *folderCache, children []fs.DirEntry) {
	if c == nil || len(f.added) == 0 {
		return
	}
	compareName := func(d fs.DirEntry, name string) int { return cmp.Compare(d.Name(), name) }
	f.records = slices.DeleteFunc(f.records, func(r record) bool {
		i, ok := slices.BinarySearchFunc(children, string(r.name), compareName)
		return r.stale || !ok || !children[i].Type().IsRegular()
	})
	block := encodeRecords(slices.Concat(f.records, f.added))
	c.mu.Lock()
	defer c.mu.Unlock()
	c.updated[path] = block
}

// save writes the file about the context if this scan has learned something.
func (c *contextCache) save(ctx context.Context) {
	if c == nil || ctx.Err() != nil || len(c.updated) == 0 {
		return
	}
	if data := c.encode(cacheFileLimit); len(data) <= cacheFileLimit {
		c.cache.write(cacheName(c.context), data)
	}
}

// encode returns the file about the context: what this scan has learned, and the other folders as they were. If that is
// more than limit bytes, it leaves out the folders that this scan did not visit. The result may still be longer.
func (c *contextCache) encode(limit int) []byte {
	blocks := maps.Clone(c.blocks)
	if blocks == nil {
		blocks = map[string][]byte{}
	}
	maps.Copy(blocks, c.updated)
	file := encodeCache(c.context, blocks)
	if len(file) > limit {
		maps.DeleteFunc(blocks, func(path string, _ []byte) bool { return !c.visited[path] })
		file = encodeCache(c.context, blocks)
	}
	return file
}
