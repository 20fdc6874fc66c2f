package provider

import (
	"crypto/sha256"
	"encoding/hex"
	"sync"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/private"
)

// Limits of the records on disk: how many there are before the oldest are removed, how long one counts, and its size.
const (
	pushesKept      = 4096
	pushLife        = 24 * time.Hour
	pushRecordLimit = 1 << 10 // bytes of one: a digest
)

// recentPushes records which references this run of the engine has pointed at a digest, so that Delete keeps them.
//
// A replacement calls Create, then Delete, for one URN, and for two URNs after a rename. If the provider resource was
// replaced or renamed too, two plugin processes serve the two calls. A folder tells one what the other has pushed.
//
// Another run knows nothing of it. If two stacks share a tag, and one deletes its image, the tag is
// removed from the other too, as long as it holds that digest. A refresh of the other stack shows it, and its next
// update restores the tag.
type recentPushes struct {
	engine string // the same in all processes of one run; "" if this process is alone
	dir    string // of the records; "" if there are none

	mu   sync.Mutex
	made map[string]string // reference → digest
}

// newRecentPushes returns the pushes of the engine that started this process.
func newRecentPushes() *recentPushes {
	engine, dir := engineRun("claims")
	return &recentPushes{engine: engine, dir: dir, made: map[string]string{}}
}

// add records that the references hold the digest. Other processes do not see a record that cannot be written.
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
	dir.KeepAbout(pushesKept, 0)
}

// holds tells whether this run has pointed the reference at the digest.
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

// name returns the name of the file for a reference.
func (c *recentPushes) name(ref string) string {
	sum := sha256.Sum256([]byte(c.engine + "\n" + ref))
	return hex.EncodeToString(sum[:])
}
