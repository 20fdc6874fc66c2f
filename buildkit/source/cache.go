package source

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/private"
)

// cacheVariable switches the cache off when it is "off".
const cacheVariable = "PULUMI_BUILDKIT_STAT_CACHE"

// clockSlack is how far the clock of a file system may be behind ours, and how coarse it may be. A file that was
// changed less than this before it was read is not remembered: it could be changed once more and look the same.
const clockSlack = 2 * time.Second

// Bounds of the cache: bytes of one context's file, files and bytes in all.
const (
	cacheFileLimit = 64 << 20
	cacheFiles     = 4000
	cacheBytes     = 1 << 30
)

// Cache remembers the digests of files by their size, modification time, change time and inode, so that Scan does not
// read a file again that has not changed.
//
// No result needs it, and it changes none. Damaged, foreign or doubtful files in it are ignored, and what cannot be
// written is not remembered. A nil Cache remembers nothing. Neither does a cache in a folder that other users may write
// to: they could say what a file contains.
//
// Each context has a file of its own, which is replaced as a whole: any number of processes may share a cache.
type Cache struct{ dir string }

// newCache returns a cache in dir, which is made with mode 0700 when something is to be remembered.
func newCache(dir string) *Cache { return &Cache{dir: dir} }

// UserCache returns the cache in the user's cache folder. It returns nil if the user has no such folder, or if the
// environment variable PULUMI_BUILDKIT_STAT_CACHE is "off".
//
// It returns nil also on Windows, where lstat tells neither change time nor inode. The cache would miss a change that
// keeps size and modification time.
func UserCache() *Cache {
	base, err := private.CacheFolder()
	if err != nil || os.Getenv(cacheVariable) == "off" || !hasChangeTimes {
		return nil
	}
	return newCache(filepath.Join(base, "stat"))
}

// open returns what the cache knows of the context at an absolute path.
func (c *Cache) open(context string) *contextCache {
	if c == nil {
		return nil
	}
	opened := &contextCache{cache: c, context: context, updated: map[string][]byte{}, visited: map[string]bool{}}
	data, err := c.read(cacheName(context))
	if err == nil {
		opened.blocks = decodeCache(data, context) // nil when it is damaged or about another folder
	}
	return opened
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

// write replaces a file of the cache, and drops the oldest files of a large cache. It ignores a failure: the next scan
// reads the files again.
func (c *Cache) write(name string, data []byte) {
	dir, err := private.Open(c.dir)
	if err != nil {
		return
	}
	defer func() { _ = dir.Close() }()
	_ = dir.Write(name, data)
	dir.KeepAbout(cacheFiles, cacheBytes)
}

// cacheName returns the name of the file about a context. The file also holds the context's path.
func cacheName(context string) string {
	sum := sha256.Sum256([]byte(context))
	return hex.EncodeToString(sum[:16])
}
