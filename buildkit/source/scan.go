package source

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"unicode/utf8"

	"github.com/tonistiigi/fsutil"
	"github.com/tonistiigi/fsutil/types"
	"golang.org/x/sync/errgroup"
)

// Scan records the tree below dir without what excludes, the patterns of an ignore file, leave out: exactly what BuildKit
// would ask for. Links are recorded, never followed, and nothing outside dir is read. Files are read side by side.
//
// Errors name the path. A file that cannot be read is an error, not an empty file.
func Scan(ctx context.Context, dir string, excludes []string) (*Tree, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }()

	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	entries, err := walk(ctx, root, excludes)
	if err != nil {
		return nil, err
	}
	if err := readAll(ctx, root, entries); err != nil {
		return nil, err
	}
	return newTree(abs, entries), nil
}

func walk(ctx context.Context, root *os.Root, excludes []string) ([]*entry, error) {
	disk := &diskFS{root: root}
	filtered, err := fsutil.NewFilterFS(disk, &fsutil.FilterOpt{ExcludePatterns: excludes})
	if err != nil {
		return nil, err
	}
	var entries []*entry
	err = filtered.Walk(ctx, "/", func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		stat := info.Sys().(*types.Stat)
		if !utf8.ValidString(stat.Path) {
			return fmt.Errorf("%q: the name is not UTF-8, which BuildKit cannot send: rename it or add it to .dockerignore", stat.Path)
		}
		entries = append(entries, &entry{stat: stat})
		return nil
	})
	if disk.err != nil { // fsutil takes "does not exist" for "skip the rest of this directory"
		err = disk.err
	}
	return entries, err
}

// readAll hashes every file. The number of files open at once is bounded by the number of processors.
func readAll(ctx context.Context, root *os.Root, entries []*entry) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for _, e := range entries {
		if !e.mode().IsRegular() {
			continue
		}
		group.Go(func() error {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return e.read(root)
		})
	}
	return group.Wait()
}

// read records the content of a file. What it recorded before, from lstat, must still be true.
func (e *entry) read(root *os.Root) error {
	f, err := openFile(root, e.stat.Path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()

	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s: changed while the build context was read: no longer a file", e.stat.Path)
	}
	content := &digestReader{r: f, h: sha256.New()}
	if _, err := io.Copy(io.Discard, content); err != nil {
		return fmt.Errorf("%s: %w", e.stat.Path, err)
	}
	if content.n != e.stat.Size {
		return fmt.Errorf("%s: changed while the build context was read: %d bytes became %d", e.stat.Path, e.stat.Size, content.n)
	}
	e.sum = content.sum()
	e.stat.ModTime = contentTime(info.ModTime(), e.sum)
	return e.readCapability(f)
}

func (e *entry) readCapability(f *os.File) error {
	caps, err := capability(f)
	if err != nil {
		return fmt.Errorf("%s: reading %s: %w", e.stat.Path, capabilityXattr, err)
	}
	if len(caps) > 0 {
		e.stat.Xattrs = map[string][]byte{capabilityXattr: caps}
	}
	return nil
}

// openFile opens a file below root: no link is followed at its end, and a FIFO put in its place does not block.
func openFile(root *os.Root, path string) (*os.File, error) {
	return root.OpenFile(filepath.FromSlash(path), os.O_RDONLY|openFlags, 0)
}
