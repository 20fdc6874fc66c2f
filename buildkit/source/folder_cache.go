package source

import (
	"bytes"
	"crypto/sha256"
	"slices"
	"sync"
	"time"
)

// folderCache is what the cache knows of the files of one folder. Nil knows nothing.
type folderCache struct {
	records []record // by name

	mu    sync.Mutex
	added []record
}

// record is one file.
type record struct {
	name  []byte
	state fileState
	sum   [sha256.Size]byte
	stale bool // the file has another state now
}

// fileState changes whenever the content does, unless the file was changed twice within clockSlack.
type fileState struct{ size, mtime, ctime, inode int64 }

func stateOf(m fileInfo) fileState {
	return fileState{size: m.size, mtime: m.mtime*int64(time.Second) + m.mtimeN, ctime: m.ctime, inode: m.inode}
}

// recall fills in the digest of a file that has not changed. It returns false for any other. It is safe for concurrent
// use for different names.
func (f *folderCache) recall(name string, info fileInfo, e *entry) bool {
	if f == nil {
		return false
	}
	compareName := func(r record, name string) int { return bytes.Compare(r.name, []byte(name)) }
	i, ok := slices.BinarySearchFunc(f.records, name, compareName)
	if !ok {
		return false
	}
	if f.records[i].state != stateOf(info) {
		f.records[i].stale = true
		return false
	}
	e.sum = f.records[i].sum
	return true
}

// learn remembers a file that was read at started or later. It ignores a file that is so young that its times could
// hide a later change.
func (f *folderCache) learn(name string, info fileInfo, e *entry, started time.Time) {
	state := stateOf(info)
	if f == nil || max(state.mtime, state.ctime) > started.Add(-clockSlack).UnixNano() {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.added = append(f.added, record{name: []byte(name), state: state, sum: e.sum})
}
