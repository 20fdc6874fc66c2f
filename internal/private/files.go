package private

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/file"
)

// tempPrefix begins the names of files that Write has not completed.
const tempPrefix = ".new-"

// IsTemporary tells whether name is that of a file that Write has not completed.
func IsTemporary(name string) bool { return strings.HasPrefix(name, tempPrefix) }

// Open opens a regular file for reading. The error is an *UnsafeError if it is none, belongs to another user, has
// another name as well, or others may write to it.
func (f *Folder) Open(name string) (*os.File, error) { return f.open(name, os.O_RDONLY) }

// OpenLock opens a file for reading and writing, after it made a missing one. The errors are those of Open.
func (f *Folder) OpenLock(name string) (*os.File, error) {
	made, err := f.root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return f.open(name, os.O_RDWR)
	}
	return made, err
}

// OpenAppend opens a file that is there for reading and for writing at its end. The errors are those of Open.
func (f *Folder) OpenAppend(name string) (*os.File, error) {
	return f.open(name, os.O_RDWR|os.O_APPEND)
}

func (f *Folder) open(name string, flag int) (*os.File, error) {
	path := filepath.Join(f.path, name)
	info, err := f.root.Lstat(name)
	if err != nil {
		return nil, err
	}
	if err := checkFile(path, info); err != nil {
		return nil, err
	}
	opened, err := f.root.OpenFile(name, flag|noWait, 0)
	if err != nil {
		return nil, err
	}
	now, err := opened.Stat()
	if err == nil && !os.SameFile(info, now) {
		err = &UnsafeError{Path: path, Reason: "it was replaced while it was opened"}
	}
	if err != nil {
		return nil, errors.Join(err, opened.Close())
	}
	return opened, nil
}

func checkFile(path string, info fs.FileInfo) error {
	return errors.Join(checkMade(path, info), checkWriters(path, info))
}

// checkMade returns an *UnsafeError unless a file is a regular one that this user made, and that has no other name.
func checkMade(path string, info fs.FileInfo) error {
	if !info.Mode().IsRegular() {
		return &UnsafeError{Path: path, Reason: "it is " + kind(info.Mode()) + ", not a regular file"}
	}
	return errors.Join(checkOwner(path, info), checkNames(path, info))
}

// CheckFile returns an *UnsafeError as Open does, but for a file that others may write to: the caller judges who could
// reach it.
func (f *Folder) CheckFile(name string) error {
	info, err := f.root.Lstat(name)
	if err != nil {
		return err
	}
	return checkMade(filepath.Join(f.path, name), info)
}

// kind says what a file of the mode is.
func kind(mode fs.FileMode) string {
	switch {
	case mode.IsDir():
		return "a folder"
	case mode&fs.ModeSymlink != 0:
		return "a link"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	case mode&fs.ModeNamedPipe != 0:
		return "a FIFO"
	case mode.IsRegular():
		return "a file"
	}
	return "a device"
}

// Read returns the content of a regular file. The errors are those of Open, and *file.TooLargeError for more than limit
// bytes.
func (f *Folder) Read(name string, limit int64) ([]byte, error) {
	opened, err := f.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = opened.Close() }()
	content, err := io.ReadAll(io.LimitReader(opened, limit+1))
	if err == nil && int64(len(content)) > limit {
		err = &fs.PathError{Op: "read", Path: opened.Name(), Err: &file.TooLargeError{Limit: limit}}
	}
	if err != nil {
		return nil, err
	}
	return content, nil
}

// tempLife is much longer than Write takes. An older file of it belongs to a process that was killed.
const tempLife = time.Minute

// KeepNewest removes the files that were written first, until at most n are left with at most limit bytes in all. The
// limit 0 is none. It also removes what a killed process did not finish to write. A file that cannot be removed stays.
func (f *Folder) KeepNewest(n int, limit int64) {
	entries, err := f.Entries()
	if err != nil {
		return
	}
	entries = slices.DeleteFunc(entries, f.removeAbandoned)
	if limit == 0 && len(entries) <= n {
		return
	}
	if limit == 0 {
		limit = math.MaxInt64
	}
	files := make([]fs.FileInfo, 0, len(entries))
	for _, entry := range entries {
		if info, err := entry.Info(); err == nil {
			files = append(files, info)
		}
	}
	slices.SortFunc(files, func(a, b fs.FileInfo) int { return b.ModTime().Compare(a.ModTime()) })
	for i, info := range files {
		if limit -= info.Size(); i >= n || limit < 0 {
			_ = f.Remove(info.Name())
		}
	}
}

// removeAbandoned removes a file that Write began long ago. It returns false for any other file, and if it cannot.
func (f *Folder) removeAbandoned(entry fs.DirEntry) bool {
	if !IsTemporary(entry.Name()) {
		return false
	}
	info, err := entry.Info()
	return err == nil && time.Since(info.ModTime()) > tempLife && f.Remove(entry.Name()) == nil
}

// keptAt holds when KeepAbout last looked at a folder, by its path.
var keptAt sync.Map

// keepPause is how long KeepAbout leaves a folder alone.
const keepPause = time.Second

// KeepAbout does the same as KeepNewest, but at most once a second for one folder. Callers that write many files do not
// look at all of them after each one. The folder may hold the files of one second more.
func (f *Folder) KeepAbout(n int, limit int64) {
	last, ok := keptAt.Load(f.path)
	if ok && time.Since(last.(time.Time)) < keepPause {
		return
	}
	keptAt.Store(f.path, time.Now())
	f.KeepNewest(n, limit)
}

// Create returns a new file with mode 0600, to be appended to, in place of whatever had its name. A folder is not
// replaced.
func (f *Folder) Create(name string) (*os.File, error) {
	if err := f.Remove(name); err != nil {
		return nil, err
	}
	return f.root.OpenFile(name, os.O_WRONLY|os.O_APPEND|os.O_CREATE|os.O_EXCL, 0o600)
}

// Write puts a file with mode 0600 in place of whatever had its name, whole or not at all. A folder is not replaced.
func (f *Folder) Write(name string, data []byte) error {
	temp := tempPrefix + rand.Text()
	made, err := f.root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = made.Write(data)
	if err = errors.Join(err, made.Close()); err == nil {
		err = f.root.Rename(temp, name)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", filepath.Join(f.path, name), err), f.Remove(temp))
	}
	return nil
}
