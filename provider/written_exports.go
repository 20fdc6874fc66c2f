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

// remember notes that the files of the exports are of these inputs, and which of them wrote nothing.
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
			_ = dir.Write(writtenExportName(e.dest), []byte(e.writtenMark(hash)))
		}
	}
	dir.KeepNewest(maxWrittenExports, maxWrittenExports*writtenExportSize)
}

// writtenMark returns what stands for the files that an export has just written of these inputs. It is the hash of the
// inputs, or a digest of it if nothing was written or if other files were left beside them.
func (e export) writtenMark(hash string) string {
	switch {
	case e.keepsOthers:
		return digestOf("others kept", hash)
	case e.isMissing():
		return emptyMark(hash)
	}
	return hash
}

// emptyMark stands for inputs of which an export writes nothing.
func emptyMark(hash string) string { return digestOf("empty", hash) }

// read returns what stands for the files of an export, or "" if nothing is known of them.
func (w writtenExports) read(e export) string {
	if w.dir == "" {
		return ""
	}
	dir, err := private.Find(w.dir)
	if err != nil {
		return ""
	}
	defer func() { _ = dir.Close() }()
	written, err := dir.Read(writtenExportName(e.dest), writtenExportSize)
	if err != nil {
		return ""
	}
	return string(written)
}

// has tells whether the export is known to have written on this machine.
func (w writtenExports) has(e export) bool { return w.read(e) != "" }

// areMissing tells whether the files of an export are not on this machine, or are known to be of other inputs. The hash
// is that of the inputs; "" means that they changed, and then only what is not there counts.
func (w writtenExports) areMissing(e export, hash string) bool {
	if hash == "" {
		return e.isMissing()
	}
	switch w.read(e) {
	case emptyMark(hash):
		return false
	case hash, "":
		return e.isMissing()
	}
	return true
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
