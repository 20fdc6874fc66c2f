// Package dockerbuild computes what the Pulumi provider docker-build has written into its states.
package dockerbuild

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/moby/patternmatcher/ignorefile"
	"github.com/tonistiigi/fsutil"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/file"
)

// Files says where a build of docker-build read its files. Paths are relative to the folder of the program. What is no
// local folder or file, such as a URL, has no part in the hash.
type Files struct {
	Dockerfile string
	Context    string
	Named      map[string]string // named contexts
}

// ignoreFileLimit is the size in bytes above which an ignore file is not read.
const ignoreFileLimit = 1 << 20

// Hash returns the contextHash that docker-build 0.0.1 to 0.0.22 gives the files: 64 hexadecimal digits. It returns an
// error if a file cannot be read or is no plain file.
//
// The hash covers the Dockerfile, and then content, path and mode of each file of each context. The contexts follow one
// another without a separator, and the ignore file of the main context holds for all of them.
// https://github.com/pulumi/pulumi-docker-build/blob/v0.0.22/provider/internal/context.go
func Hash(ctx context.Context, files Files) (string, error) {
	h := sha256.New()
	patterns, err := files.ignorePatterns(ctx)
	if err != nil {
		return "", err
	}
	if isFile(files.Dockerfile) {
		if _, err := addContent(ctx, h, files.Dockerfile); err != nil {
			return "", err
		}
	}
	folders := []string{files.Context}
	for _, name := range slices.Sorted(maps.Keys(files.Named)) {
		folders = append(folders, files.Named[name])
	}
	for _, folder := range folders {
		if !isFolder(folder) {
			continue
		}
		if err := addFolder(ctx, h, folder, patterns); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// ignorePatterns returns the patterns of the first ignore file that exists.
//
// Without a Dockerfile on the disk, the first name is .dockerignore in the folder of the program, as in docker-build.
func (f Files) ignorePatterns(ctx context.Context) ([]string, error) {
	if !isFolder(f.Context) && !isFile(f.Dockerfile) {
		return nil, nil
	}
	names := []string{f.Dockerfile + ".dockerignore"}
	if isFolder(f.Context) {
		names = append(names, filepath.Join(f.Context, ".dockerignore"))
	}
	for _, name := range names {
		text, err := file.Read(ctx, name, ignoreFileLimit)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return ignorefile.ReadAll(bytes.NewReader(text))
	}
	return nil, nil
}

// addFolder adds every file of a folder that the patterns do not exclude.
func addFolder(ctx context.Context, h hash.Hash, folder string, patterns []string) error {
	root, err := filepath.EvalSymlinks(folder)
	if err != nil {
		return err
	}
	tree, err := fsutil.NewFS(root)
	if err != nil {
		return err
	}
	tree, err = fsutil.NewFilterFS(tree, &fsutil.FilterOpt{ExcludePatterns: patterns})
	if err != nil {
		return err
	}
	return tree.Walk(ctx, "/", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if mode := info.Mode(); mode.IsRegular() || mode.Type() == fs.ModeSymlink {
			return addFile(ctx, h, root, path, mode)
		}
		return nil
	})
}

// addFile adds content, path and mode of a file. It adds nothing for a link to a folder. For a link to a file the
// content is that of the target and the mode that of the link.
func addFile(ctx context.Context, h hash.Hash, root, path string, mode fs.FileMode) error {
	added, err := addContent(ctx, h, filepath.Join(root, path))
	if err != nil || !added {
		return err
	}
	h.Write([]byte(filepath.ToSlash(filepath.Clean(path))))
	h.Write([]byte(mode.String()))
	return nil
}

// addContent adds the content of a file. It returns false for a folder.
func addContent(ctx context.Context, h hash.Hash, path string) (added bool, err error) {
	if isFolder(path) {
		return false, nil
	}
	plain, err := file.Open(path)
	if err != nil {
		return false, err
	}
	defer func() { _ = plain.Close() }()
	_, err = io.Copy(h, &reader{ctx: ctx, file: plain})
	return true, err
}

// reader reads a file until its context ends.
type reader struct {
	ctx  context.Context //nolint:containedctx // lives as long as one copy
	file *os.File
}

// Read returns the cause of the context once the context has ended.
func (r *reader) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.file.Read(p)
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && !info.IsDir()
}
