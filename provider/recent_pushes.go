package provider

import (
	"crypto/sha256"
	"encoding/hex"
	"sync"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/private"
)

// Bounds of the claims on the disk: how many there are before the oldest are dropped, and how long one counts.
const (
	pushesKept      = 4096
	pushLife        = 24 * time.Hour
	pushRecordLimit = 1 << 10 // bytes of one: a digest
)

// recentPushes are the references that were made to hold a digest in this run of the engine. In a replacement the engine calls
// Create, then Delete, for one URN, and after a rename for two: Delete must spare what Create has just made. Where the
// provider resource was replaced or renamed too, two processes serve the two calls: a folder tells one of the other.
//
// UNFORTUNATELY another run knows nothing of it: of two stacks that share a tag, one removes the other's as long as it holds
// the very digest of the image that is deleted. A refresh of the other shows it, and its next update puts it back.
type recentPushes struct {
	engine string // what the processes of one run of the engine have in common; "": nothing, and this process is alone
	dir    string // "": none

	mu   sync.Mutex
	made map[string]string // reference → digest
}

// newRecentPushes are those of the engine that started this process.
func newRecentPushes() *recentPushes {
	engine, dir := engineRun("claims")
	return &recentPushes{engine: engine, dir: dir, made: map[string]string{}}
}

// add notes that the references hold the digest. What cannot be written is known to this process only.
func (c *recentPushes) add(digest string, refs []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, ref := range refs {
		c.made[ref] = digest
	}
	if c.dir == "" || len(refs) == 0 {
		return
	}
	dir, err := private.Open(c.dir)
	if err != nil {
		return
	}
	defer func() { _ = dir.Close() }()
	for _, ref := range refs {
		_ = dir.Write(c.name(ref), []byte(digest))
	}
	dir.KeepNewest(pushesKept, 0)
}

// holds tells whether the reference was made to hold the digest.
func (c *recentPushes) holds(ref, digest string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.made[ref] == digest {
		return true
	}
	if c.dir == "" {
		return false
	}
	dir, err := private.Find(c.dir)
	if err != nil {
		return false
	}
	defer func() { _ = dir.Close() }()
	info, err := dir.Lstat(c.name(ref))
	if err != nil || time.Since(info.ModTime()) > pushLife {
		return false
	}
	made, err := dir.Read(c.name(ref), pushRecordLimit)
	return err == nil && string(made) == digest
}

// name is that of the file about a reference.
func (c *recentPushes) name(ref string) string {
	sum := sha256.Sum256([]byte(c.engine + "\n" + ref))
	return hex.EncodeToString(sum[:])
}
