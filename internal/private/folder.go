// Package private opens folders that hold what this user relies on: locks, caches, sockets, state.
//
// Another user of the machine may have made such a folder first, or have put a link or a FIFO into it. Or that user may
// be able to replace the folder or one of its parents. Nothing here follows a link below the folder, waits for a
// writer, or uses what another user left.
package private

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// UnsafeError says that users other than root and this one could have changed, or could replace, what is at Path.
type UnsafeError struct {
	Path   string
	Reason string // "it belongs to user 1000"
	Shared bool   // the mode lets other users write
}

func (e *UnsafeError) Error() string { return e.Path + ": " + e.Reason }

// Folder is an open folder. Its methods reach what is directly in it, by name. They refuse links, also those within it.
type Folder struct {
	root *os.Root
	path string
}

// Open opens the folder at the absolute path, after it made what is missing of it with mode 0700.
//
// The error is an *UnsafeError when the folder, one of its parents or a link on the way belongs to another user. It is
// also one when other users may write to one of them, unless the sticky bit of a parent keeps them from replacing our
// entry.
func Open(path string) (*Folder, error) {
	f, err := open(path, true)
	return f.orUnsafe(err)
}

// Find opens a folder as Open does. It makes nothing; the error for a missing folder wraps fs.ErrNotExist.
func Find(path string) (*Folder, error) {
	f, err := open(path, false)
	return f.orUnsafe(err)
}

// OpenAny does what Open does, for a folder that other users may write to: the caller judges what is in there. Its
// parents are checked.
func OpenAny(path string) (*Folder, error) { return open(path, true) }

// OpenUnchecked opens the folder at the absolute path without a look at who owns it or its parents. It is for a user
// namespace, where the users of the machine look the same. The caller knows by other means that it is the right folder.
func OpenUnchecked(path string) (*Folder, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	return &Folder{root: root, path: path}, nil
}

func open(path string, create bool) (*Folder, error) {
	entered, resolved, err := enter(path, create)
	if err != nil {
		return nil, err
	}
	defer func() { _ = entered.Close() }()
	root, err := os.OpenRoot(resolved)
	if err != nil {
		return nil, err
	}
	f := &Folder{root: root, path: resolved}
	if err := f.checkSame(entered); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// checkSame returns an error unless the folder is the one that was entered.
func (f *Folder) checkSame(entered *os.File) error {
	want, err := entered.Stat()
	if err != nil {
		return err
	}
	have, err := f.Stat()
	if err != nil {
		return err
	}
	if !os.SameFile(want, have) {
		return &UnsafeError{Path: f.path, Reason: "it was replaced while it was opened"}
	}
	return nil
}

// orUnsafe returns the folder unless err is not nil or other users may write to it.
func (f *Folder) orUnsafe(err error) (*Folder, error) {
	if err != nil {
		return nil, err
	}
	if err := f.checkWriters(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// checkWriters returns an *UnsafeError if other users may write to the folder.
func (f *Folder) checkWriters() error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	return checkWriters(f.path, info)
}

// Again opens the folder once more.
func (f *Folder) Again() (*Folder, error) {
	root, err := f.root.OpenRoot(".")
	return &Folder{root: root, path: f.path}, err
}

// Path returns the absolute path of the folder, without links.
func (f *Folder) Path() string { return f.path }

// Close closes the folder. It may be called again.
func (f *Folder) Close() error { return f.root.Close() }

// Stat describes the folder itself.
func (f *Folder) Stat() (fs.FileInfo, error) { return f.root.Stat(".") }

// Restrict gives the folder the mode 0700.
func (f *Folder) Restrict() error { return f.root.Chmod(".", 0o700) }

// Entries lists the folder, sorted by name.
func (f *Folder) Entries() ([]fs.DirEntry, error) { return fs.ReadDir(f.root.FS(), ".") }

// Lstat describes an entry, and a link itself.
func (f *Folder) Lstat(name string) (fs.FileInfo, error) { return f.root.Lstat(name) }

// Mkdir makes a folder with mode 0700.
func (f *Folder) Mkdir(name string) error { return f.root.Mkdir(name, 0o700) }

// Symlink makes a link to target, for programs that look for it here.
func (f *Folder) Symlink(target, name string) error { return f.root.Symlink(target, name) }

// Remove removes a file, a link or an empty folder. A missing one is no error.
func (f *Folder) Remove(name string) error {
	if err := f.root.Remove(name); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Rename gives an entry another name in the folder.
func (f *Folder) Rename(name, to string) error { return f.root.Rename(name, to) }

// RemoveAll removes an entry with everything below it. Links are removed, not followed.
func (f *Folder) RemoveAll(name string) error { return f.root.RemoveAll(name) }

// Sub opens the folder name. The error is an *UnsafeError if it is none, belongs to another user, or others may write
// to it.
func (f *Folder) Sub(name string) (*Folder, error) {
	sub, err := f.SubAny(name)
	return sub.orUnsafe(err)
}

// SubAny does what Sub does, for a folder that others may write to: the caller judges what is in there, and who could
// reach it.
func (f *Folder) SubAny(name string) (*Folder, error) {
	path := filepath.Join(f.path, name)
	info, err := f.root.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return nil, &UnsafeError{Path: path, Reason: "it is " + kind(info.Mode()) + ", not a folder"}
	}
	if err := checkOwner(path, info); err != nil {
		return nil, err
	}
	root, err := f.root.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	sub := &Folder{root: root, path: path}
	opened, err := sub.Stat()
	if err == nil && !os.SameFile(info, opened) {
		err = &UnsafeError{Path: path, Reason: "it was replaced while it was opened"}
	}
	if err != nil {
		return nil, errors.Join(err, sub.Close())
	}
	return sub, nil
}

// notFolder returns the error for a part of a path that is neither a folder nor a link.
func notFolder(path string) error { return &fs.PathError{Op: "open", Path: path, Err: syscall.ENOTDIR} }

// CacheFolder returns the folder of this provider in the user's cache folder: its caches and, by default, its daemon
// are in there. The error says that the user has no such folder.
func CacheFolder() (string, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(base, "pulumi-buildkit"), nil
}
