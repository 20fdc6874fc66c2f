package provider

import (
	"crypto/sha256"
	"encoding/hex"
	"path/filepath"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/private"
)

// writtenExports remembers, in the user's cache folder, of which inputs the files of exports on this machine are. A
// preview writes files that the update may never apply, and another machine may have applied newer ones.
type writtenExports struct{ dir string }

// The bounds of the folder, and the size of an entry, which is an inputs hash.
const (
	maxWrittenExports = 1000
	writtenExportSize = 64
)

// userWrittenExports returns the memory of this user. It remembers nothing if the user has no cache folder.
func userWrittenExports() writtenExports {
	base, err := private.CacheFolder()
	if err != nil {
		return writtenExports{}
	}
	return writtenExports{dir: filepath.Join(base, "exports")}
}

// remember notes that the files of the exports are of these inputs.
func (w writtenExports) remember(exports []export, hash string) {
	if w.dir == "" {
		return
	}
	dir, err := private.Open(w.dir)
	if err != nil {
		return
	}
	defer func() { _ = dir.Close() }()
	for _, e := range exports {
		if e.dest != "" {
			_ = dir.Write(writtenExportName(e.dest), []byte(hash))
		}
	}
	dir.KeepNewest(maxWrittenExports, maxWrittenExports*writtenExportSize)
}

// areOfOthers tells whether the files of the export are known to be of other inputs.
func (w writtenExports) areOfOthers(e export, hash string) bool {
	if w.dir == "" {
		return false
	}
	dir, err := private.Find(w.dir)
	if err != nil {
		return false
	}
	defer func() { _ = dir.Close() }()
	written, err := dir.Read(writtenExportName(e.dest), writtenExportSize)
	return err == nil && string(written) != hash
}

// writtenExportName returns the name of the entry of a destination.
func writtenExportName(dest string) string {
	abs, err := filepath.Abs(dest)
	if err != nil {
		abs = dest
	}
	sum := sha256.Sum256([]byte(abs))
	return hex.EncodeToString(sum[:])
}
