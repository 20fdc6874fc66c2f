package source

import (
	"io/fs"
	"os"
	"path/filepath"
)

const (
	noWait    = 0 // no file in a folder blocks
	openFlags = noWait

	hasChangeTimes = false // see lstat
)

func openFolder(root *os.Root, _ *os.File, name string) (*os.File, error) {
	return root.Open(filepath.FromSlash(name))
}

// lstat describes a child of a folder. It gives every file the executable bit and drops group and other write, as
// BuildKit's own client does on Windows, where the file system has no such bits.
func lstat(_ *os.File, child fs.DirEntry) (fileInfo, error) {
	info, err := child.Info()
	if err != nil {
		return fileInfo{}, err
	}
	mode := info.Mode()&^os.ModePerm | (info.Mode().Perm()|0o111)&0o755
	modified := info.ModTime()
	return fileInfo{mode: mode, size: info.Size(), mtime: modified.Unix(), mtimeN: int64(modified.Nanosecond())}, nil
}

// identify returns false. On Windows a folder has no other identity than its path.
func identify(string) (fileID, bool) { return fileID{}, false }

// openAt opens a file in a folder.
func openAt(dir *os.File, name string) (*os.File, error) {
	return os.Open(filepath.Join(dir.Name(), name))
}

// readLink fills in the text of a link in a folder.
func readLink(dir *os.File, name string, e *entry) error {
	link, err := os.Readlink(filepath.Join(dir.Name(), name))
	e.link = filepath.ToSlash(link)
	e.size = int64(len(e.link))
	return err
}
