package inputs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/dockerfile"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/file"
)

// Definition is the text that decides what a build does: the Dockerfile and the ignore files of its contexts.
type Definition struct {
	Name       string // of the Dockerfile, as errors show it
	Dockerfile []byte
	Ignore     []byte            // the ignore file in force for the main context; nil when there is none
	IgnorePath string            // where that one was found
	Named      map[string][]byte // those of the named contexts; nil for one that has none

	linkWarnings []string // warnings about ignore files that are links to nothing that BuildKit sees
}

// readDefinition reads the texts of a plan. The main context is taken by <Dockerfile>.dockerignore or, when there is none, by
// .dockerignore in its root; a named one by its own .dockerignore.
//
// Errors are those of file.Bounds.Read.
func readDefinition(ctx context.Context, files Files) (Definition, error) {
	d := Definition{Name: "Dockerfile", Dockerfile: files.Inline, Named: map[string][]byte{}}
	if files.Dockerfile != "" {
		d.Name = filepath.Base(files.Dockerfile)
		text, err := ReadDockerfile(ctx, files)
		if err != nil {
			return d, err
		}
		d.Dockerfile, d.IgnorePath = text.Text, files.Dockerfile+ignoreFile
		if d.Ignore, err = d.readIgnoreFile(ctx, files, filepath.Dir(files.Dockerfile), d.Name+ignoreFile); err != nil {
			return d, err
		}
	}
	var err error
	if d.Ignore == nil && !IsRemote(files.Context) {
		d.IgnorePath = filepath.Join(files.Context, ignoreFile)
		if d.Ignore, err = d.readIgnoreFile(ctx, files, files.Context, ignoreFile); err != nil {
			return d, err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(files.Named)) {
		dir := files.Named[name]
		if IsRemoteNamed(dir) {
			continue
		}
		if d.Named[name], err = d.readIgnoreFile(ctx, files, dir, ignoreFile); err != nil {
			return d, err
		}
	}
	return d, nil
}

// DockerfileText is the text of a Dockerfile and where it was found.
type DockerfileText struct {
	Text []byte
	// Linked is where the file is when a link out of the build context led to it, "" otherwise. It may then be a file that
	// whoever wrote the context cannot read: no part of the text may be shown before it proved to be a Dockerfile.
	Linked string
}

// ReadDockerfile reads the Dockerfile of files, which has one. The errors are those of file.Bounds.Read.
func ReadDockerfile(ctx context.Context, files Files) (read DockerfileText, err error) {
	f, err := files.bounds(files.Context).Open(files.Dockerfile)
	if err != nil {
		return read, err
	}
	defer func() { _ = f.Close() }()
	if f.Link != "" && !files.containsFile(f.Place) {
		read.Linked = f.Place
	}
	read.Text, err = file.ReadAll(ctx, f.File, file.LimitSource)
	return read, err
}

// readIgnoreFile reads an ignore file of a directory that need not exist: nil then, and never nil for an empty one. Links are
// followed as BuildKit follows them, as if the directory were the root of everything: what they leave it for is not there, of
// which a warning is kept. A file that is there and cannot be read is an error: without it the build would take what it excludes.
func (d *Definition) readIgnoreFile(ctx context.Context, files Files, dir, name string) ([]byte, error) {
	found, err := files.openIgnoreFile(dir, name)
	if isAbsent(err) {
		d.warnOfLink(dir, name)
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = found.Close() }()
	data, err := file.ReadAll(ctx, found, file.LimitText)
	return append([]byte{}, data...), err
}

func (f Files) openIgnoreFile(dir, name string) (*os.File, error) {
	root, err := f.open(dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }()
	return file.Within(root, name)
}

// warnOfLink keeps a warning if an ignore file that is not there for BuildKit is a link to a place outside of its directory.
func (d *Definition) warnOfLink(dir, name string) {
	path := filepath.Join(dir, name)
	target, err := os.Readlink(path)
	if err != nil {
		return
	}
	f, err := file.Bounds{dir}.Open(path)
	if err == nil { // an absolute path: to BuildKit that is one in the directory
		_ = f.Close()
	}
	if err == nil || errors.As(err, new(*file.LinkError)) {
		d.linkWarnings = append(d.linkWarnings, fmt.Sprintf("the ignore file %s has no effect: it is a link to %q, out of %s, which BuildKit does not follow. "+
			"Put a copy there, or give the Dockerfile an ignore file of its own (<Dockerfile>.dockerignore) inside the build context",
			path, target, dir))
	}
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

// Source is what the frontend works on. The text of a Dockerfile that only the daemon has is not here.
func (d Definition) Source() dockerfile.Source {
	s := dockerfile.Source{Name: d.Name, Text: d.Dockerfile, Ignore: d.Ignore}
	for _, ignore := range d.Named {
		s.Ignore = append(s.Ignore[:len(s.Ignore):len(s.Ignore)], ignore...)
	}
	return s
}

// frontendFiles are the texts as the frontend reads them from their own local source.
func (d Definition) frontendFiles() map[string][]byte {
	files := map[string][]byte{d.Name: d.Dockerfile}
	if d.Ignore != nil {
		files[d.Name+ignoreFile] = d.Ignore
	}
	return files
}

// patternLimit is how many patterns an ignore file may have. Each is a regular expression, and is tried on each path.
const patternLimit = 10_000

// ignorePatterns are those of the ignore file at path of a directory. The error is an *EncodingError, or tells what is wrong with a pattern.
func ignorePatterns(ignore []byte, dir, path string) ([]string, error) {
	list, err := ignorefile.ReadAll(bytes.NewReader(ignore))
	if wrong := checkIgnore(ignore, list, path); wrong != nil {
		return nil, wrong
	}
	if err == nil && len(list) > patternLimit {
		err = fmt.Errorf("it has %d patterns: %d are the most. Ignore whole folders", len(list), patternLimit)
	}
	if err == nil {
		_, err = patternmatcher.New(list)
	}
	if err != nil {
		return nil, fmt.Errorf("ignore file of %s: %w", dir, err)
	}
	return list, nil
}
