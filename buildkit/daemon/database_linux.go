package daemon

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// snapshotDatabase is the path of the database of a snapshotter, below the folder of a worker.
const snapshotDatabase = "snapshots/metadata.db"

// damageError says that a database is damaged.
type damageError struct{ reason string }

// Error returns the reason.
func (e *damageError) Error() string { return e.reason }

// checkDatabase returns a *damageError if the database at path is damaged. Any other error says that it could not be
// checked. It runs in its own process, because it crashes on some databases.
func checkDatabase(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.Size() == 0 {
		return &damageError{reason: "it is empty"}
	}
	db, err := bolt.Open(path, 0o600, &bolt.Options{ReadOnly: true, PreLoadFreelist: true, Timeout: time.Second})
	if err != nil {
		if _, ok := errors.AsType[*fs.PathError](err); ok || errors.Is(err, bolterrors.ErrTimeout) {
			return err
		}
		return &damageError{reason: err.Error()}
	}
	defer func() { _ = db.Close() }()
	return db.View(func(tx *bolt.Tx) error {
		if err := checkPages(tx); err != nil {
			return err
		}
		if strings.HasSuffix(path, snapshotDatabase) {
			return checkSnapshots(tx, filepath.Join(filepath.Dir(path), "snapshots"))
		}
		return nil
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
func checkSnapshots(tx *bolt.Tx, dir string) error {
	version := tx.Bucket([]byte("v1"))
	if version == nil {
		return nil
	}
	snapshots := version.Bucket([]byte("snapshots"))
	if snapshots == nil {
		return nil
	}
	return snapshots.ForEachBucket(func(key []byte) error {
		id, _ := binary.Uvarint(snapshots.Bucket(key).Get([]byte("id")))
		_, err := os.Lstat(filepath.Join(dir, strconv.FormatUint(id, 10)))
		if errors.Is(err, fs.ErrNotExist) {
			return &damageError{reason: fmt.Sprintf("the folder of its snapshot %d is missing", id)}
		}
		return err
	})
}
