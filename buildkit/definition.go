package buildkit

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"syscall"

	continuity "github.com/containerd/continuity/fs"
	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/source"
)

// Definition is the text that decides what a build does: the Dockerfile and the ignore files of its contexts.
type Definition struct {
	Name       string // of the Dockerfile, as errors show it
	Dockerfile []byte
	Ignore     []byte            // the ignore file in force for the main context; nil when there is none
	IgnorePath string            // where that one was found
	Named      map[string][]byte // those of the named contexts; nil for one that has none
}

// readDefinition reads the texts of a plan. The main context is taken by <Dockerfile>.dockerignore or, when there is none, by
// .dockerignore in its root; a named one by its own .dockerignore.
func readDefinition(files Files) (Definition, error) {
	d := Definition{Name: "Dockerfile", Dockerfile: files.Inline, Named: map[string][]byte{}}
	var err error
	if files.Dockerfile != "" {
		d.Name = filepath.Base(files.Dockerfile)
		if d.Dockerfile, err = source.ReadRegular(files.Dockerfile); err != nil {
			return d, err
		}
		d.IgnorePath = files.Dockerfile + ignoreFile
		if d.Ignore, err = readOptional(filepath.Dir(files.Dockerfile), d.Name+ignoreFile); err != nil {
			return d, err
		}
	}
	if d.Ignore == nil && !IsRemote(files.Context) {
		d.IgnorePath = filepath.Join(files.Context, ignoreFile)
		if d.Ignore, err = readOptional(files.Context, ignoreFile); err != nil {
			return d, err
		}
	}
	for name, dir := range files.Named {
		if IsRemoteNamed(dir) {
			continue
		}
		if d.Named[name], err = readOptional(dir, ignoreFile); err != nil {
			return d, err
		}
	}
	return d, nil
}

// readOptional reads a file of a directory that need not exist: nil then, and never nil for an empty one. Links are followed
// as BuildKit follows them, as if the directory were the root of everything: what they leave it for is not there. A file that
// is there and cannot be read is an error: without it the build would take what it excludes.
func readOptional(dir, name string) ([]byte, error) {
	path, err := continuity.RootPath(dir, name)
	if loop := new(fs.PathError); err != nil && !errors.As(err, &loop) {
		return nil, nil // a loop of links leads nowhere
	}
	var data []byte
	if err == nil {
		data, err = source.ReadRegular(path)
	}
	switch {
	case isAbsent(err):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return append([]byte{}, data...), nil
}

// isAbsent tells whether an error says that there is no file of that name: nothing, a folder, or a link that leads nowhere.
func isAbsent(err error) bool {
	if errors.Is(err, fs.ErrNotExist) {
		return true
	}
	return slices.ContainsFunc([]error{syscall.EISDIR, syscall.ENOTDIR, syscall.ELOOP, syscall.ENAMETOOLONG}, func(absent error) bool {
		return errors.Is(err, absent)
	})
}

// files are the texts as the frontend reads them from their own local source.
func (d Definition) files() map[string][]byte {
	files := map[string][]byte{d.Name: d.Dockerfile}
	if d.Ignore != nil {
		files[d.Name+ignoreFile] = d.Ignore
	}
	return files
}

// patterns are those of an ignore file.
func patterns(ignore []byte, dir string) ([]string, error) {
	list, err := ignorefile.ReadAll(bytes.NewReader(ignore))
	if err == nil {
		_, err = patternmatcher.New(list)
	}
	if err != nil {
		return nil, fmt.Errorf("ignore file of %s: %w", dir, err)
	}
	return list, nil
}
