package daemon

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/containerd/containerd/v2/core/snapshots"
	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// snapshotDatabase is the path of the database of a snapshotter, below the folder of a worker.
const snapshotDatabase = "snapshots/metadata.db"

// damageError says that a database is damaged.
type damageError struct{ reason string }

// Error returns the reason.
func (e *damageError) Error() string { return e.reason }

// damageCauses are the errors of a database that cannot be opened because it is damaged. Any other error may be a lack
// of resources: of memory, of file descriptors, of locks.
var damageCauses = []error{bolterrors.ErrInvalid, bolterrors.ErrChecksum, bolterrors.ErrVersionMismatch}

// checkDatabase returns a *damageError if the database at path is damaged. Any other error says that it could not be
// checked. It runs in its own process, which may run out of memory.
func checkDatabase(path string) (err error) {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.Size() == 0 {
		return checkEmpty(path)
	}
	if info.Size() < 2*int64(os.Getpagesize()) { // each database begins with two pages that describe it
		return &damageError{reason: "it is too short"}
	}
	// A page that is missing raises a fault, and garbage makes package bbolt panic. Both are damage.
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if cause := recover(); cause != nil {
			err = &damageError{reason: fmt.Sprintf("reading it crashes: %v", cause)}
		}
	}()
	db, err := bolt.Open(path, 0o600, &bolt.Options{ReadOnly: true, PreLoadFreelist: true, Timeout: time.Second})
	if err != nil {
		if slices.ContainsFunc(damageCauses, func(cause error) bool { return errors.Is(err, cause) }) {
			return &damageError{reason: err.Error()}
		}
		return err
	}
	defer func() { _ = db.Close() }()
	return db.View(func(tx *bolt.Tx) error {
		if err := errors.Join(readBuckets(tx), checkPages(tx)); err != nil {
			return err
		}
		if strings.HasSuffix(path, snapshotDatabase) {
			return checkSnapshots(tx, snapshotsFolder(path))
		}
		return nil
	})
}

// checkEmpty returns a *damageError if a database without content belongs to a worker with snapshots. BuildKit makes
// any other one anew when it opens it: perhaps it was killed while it made the database.
func checkEmpty(path string) error {
	entries, err := os.ReadDir(snapshotsFolder(path))
	if len(entries) > 0 {
		return &damageError{reason: "it is empty"}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// snapshotsFolder returns the folder with the snapshots of a worker, one of whose databases is at path.
func snapshotsFolder(path string) string {
	worker := filepath.Dir(path)
	if strings.HasSuffix(path, snapshotDatabase) {
		worker = filepath.Dir(worker)
	}
	return filepath.Join(worker, "snapshots", "snapshots")
}

// readBuckets reads all keys and values. It panics if one of them cannot be read.
//
// checkPages cannot do this alone: package bbolt checks in a goroutine of its own, where a fault ends the process.
func readBuckets(tx *bolt.Tx) error {
	sum := crc32.NewIEEE()
	return tx.ForEach(func(_ []byte, b *bolt.Bucket) error { return readBucket(b, sum) })
}

// readBucket writes the keys and values of a bucket, and of the buckets in it, to sum.
func readBucket(b *bolt.Bucket, sum io.Writer) error {
	return b.ForEach(func(key, value []byte) error {
		_, errKey := sum.Write(key)
		if value == nil {
			return errors.Join(errKey, readBucket(b.Bucket(key), sum))
		}
		_, errValue := sum.Write(value)
		return errors.Join(errKey, errValue)
	})
}

// checkPages returns a *damageError if a page of the database is damaged. Pages that nothing uses are no damage.
func checkPages(tx *bolt.Tx) (damage error) {
	for err := range tx.Check() {
		if damage == nil && !strings.HasSuffix(err.Error(), "unreachable unfreed") {
			damage = &damageError{reason: err.Error()}
		}
	}
	return damage
}

// checkSnapshots returns a *damageError if the database of a snapshotter has a snapshot whose folder in dir is missing.
//
// A snapshot may do without its folder. A view of a parent reads the parent's folder: the native snapshotter makes none
// for it. That snapshotter also renames the folder before it removes the snapshot from the database.
func checkSnapshots(tx *bolt.Tx, dir string) error {
	version := tx.Bucket([]byte("v1"))
	if version == nil {
		return nil
	}
	all := version.Bucket([]byte("snapshots"))
	if all == nil {
		return nil
	}
	return all.ForEachBucket(func(key []byte) error {
		snapshot := all.Bucket(key)
		if kind := snapshot.Get([]byte("kind")); len(kind) == 1 && snapshots.Kind(kind[0]) == snapshots.KindView &&
			len(snapshot.Get([]byte("parent"))) > 0 {
			return nil
		}
		id, _ := binary.Uvarint(snapshot.Get([]byte("id")))
		name := strconv.FormatUint(id, 10)
		_, err := os.Lstat(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			_, err = os.Lstat(filepath.Join(dir, "rm-"+name))
		}
		if errors.Is(err, fs.ErrNotExist) {
			return &damageError{reason: fmt.Sprintf("the folder of its snapshot %d is missing", id)}
		}
		return err
	})
}
