package provider

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/source"
)

// Bounds of the claims on the disk: how many there are before the oldest are dropped, and how long one counts. In containers
// the engine's process id is the same in every run, and its port may be once in a while.
const (
	claimsKept = 4096
	claimsLife = 24 * time.Hour
)

// claims are the references that were made to hold a digest in this run of the engine. In a replacement the engine calls
// Create, then Delete, for one URN, and after a rename for two: Delete must spare what Create has just made. Where the
// provider resource was replaced or renamed too, two processes serve the two calls: a folder tells one of the other.
//
// UNFORTUNATELY another run knows nothing of it: of two stacks that share a tag, one removes the other's as long as it holds
// the very digest of the image that is deleted. A refresh of the other shows it, and its next update puts it back.
type claims struct {
	engine string // what the processes of one run of the engine have in common; "": nothing, and this process is alone
	dir    string // "": none

	mu   sync.Mutex
	made map[string]string // reference → digest
}

// newClaims are those of the engine that started this process with its address as the last argument.
func newClaims() *claims {
	c := &claims{made: map[string]string{}}
	address, err := netip.ParseAddrPort(os.Args[len(os.Args)-1])
	if err != nil {
		return c
	}
	if base, err := os.UserCacheDir(); err == nil {
		c.engine, c.dir = fmt.Sprintf("%d at %s", os.Getppid(), address), filepath.Join(base, "pulumi-buildkit", "claims")
	}
	return c
}

// add notes that the references hold the digest. What cannot be written is known to this process only.
func (c *claims) add(digest string, refs []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, ref := range refs {
		c.made[ref] = digest
	}
	if c.dir == "" || len(refs) == 0 || os.MkdirAll(c.dir, 0o700) != nil {
		return
	}
	for _, ref := range refs {
		_ = os.WriteFile(c.file(ref), []byte(digest), 0o600) // a torn file is no digest
	}
	source.KeepNewest(c.dir, claimsKept, 0)
}

// holds tells whether the reference was made to hold the digest.
func (c *claims) holds(ref, digest string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.made[ref] == digest {
		return true
	}
	if c.dir == "" {
		return false
	}
	info, err := os.Stat(c.file(ref))
	if err != nil || time.Since(info.ModTime()) > claimsLife {
		return false
	}
	made, err := os.ReadFile(c.file(ref))
	return err == nil && string(made) == digest
}

func (c *claims) file(ref string) string {
	name := sha256.Sum256([]byte(c.engine + "\n" + ref))
	return filepath.Join(c.dir, hex.EncodeToString(name[:]))
}
