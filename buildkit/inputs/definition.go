package inputs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/dockerfile"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/file"
)

// Definition is the text that decides what a build does: the Dockerfile and the ignore files of its contexts.
type Definition struct {
	Name       string // of the Dockerfile, as errors show it
	Dockerfile []byte
	Ignore     []byte            // the ignore file in force for the main context; nil when there is none
	IgnorePath string            // where that one was found
	Named      map[string][]byte // ignore files of the named contexts; nil for a context that has none

	linkWarnings []string // about ignore files that are links to nothing that BuildKit sees
}

// readDefinition reads the texts of a plan. The ignore file of the main context is <Dockerfile>.dockerignore or, when
// there is none, .dockerignore in its root. That of a named context is its own .dockerignore.
//
// Its errors are those of file.Bounds.Read.
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
		if IsRemoteNamedContext(dir) {
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
	// Linked is where the file is when a link out of the build context led to it, "" otherwise. The author of the
	// context may not be allowed to read such a file: show no part of the text before it proved to be a Dockerfile.
	Linked string
}

// ReadDockerfile reads the Dockerfile of files, which must name one. Its errors are those of file.Bounds.Read.
func ReadDockerfile(ctx context.Context, files Files) (read DockerfileText, err error) {
	f, err := files.bounds(files.Context).Open(files.Dockerfile)
	if err != nil {
		return read, err
	}
	defer func() { _ = f.Close() }()
	if f.Link != "" && !files.containsFile(f.Path) {
		read.Linked = f.Path
	}
	read.Text, err = file.ReadAll(ctx, f.File, file.LimitSource)
	return read, err
}

// readIgnoreFile reads an ignore file of a directory. It returns nil if there is none, and never nil for an empty one.
//
// Links are followed as BuildKit follows them, as if the directory were the root of everything. A link out of it leads
// to nothing, and a warning is kept. A file that exists and cannot be read is an error: without it the build would take
// what the file excludes.
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

// warnOfLink keeps a warning if an ignore file that BuildKit does not see is a link out of its directory.
func (d *Definition) warnOfLink(dir, name string) {
	path := filepath.Join(dir, name)
	target, err := os.Readlink(path)
	if err != nil {
		return
	}
	f, err := file.Bounds{dir}.Open(path)
	if err == nil { // an absolute path: BuildKit takes it for a path in the directory
		_ = f.Close()
	}
	if err == nil || errors.As(err, new(*file.LinkError)) {
		d.linkWarnings = append(d.linkWarnings, fmt.Sprintf("the ignore file %s has no effect: it is a link to %q, "+
			"out of %s, which BuildKit does not follow. Put a copy there, or give the Dockerfile an ignore file of "+
			"its own (<Dockerfile>.dockerignore) inside the build context", path, target, dir))
	}
}

// isAbsent tells whether an error says that no file has that name: nothing has it, or a folder, or a link that leads
// nowhere.
func isAbsent(err error) bool {
	if errors.Is(err, fs.ErrNotExist) {
		return true
	}
	return slices.ContainsFunc(absentErrors, func(absent error) bool { return errors.Is(err, absent) })
}

var absentErrors = []error{syscall.EISDIR, syscall.ENOTDIR, syscall.ELOOP, syscall.ENAMETOOLONG}

// Source returns what the frontend works on. It lacks the text of a Dockerfile that only the daemon has.
func (d Definition) Source() dockerfile.Source {
	s := dockerfile.Source{Name: d.Name, Text: d.Dockerfile, Ignore: d.Ignore}
	for _, ignore := range d.Named {
		s.Ignore = append(s.Ignore[:len(s.Ignore):len(s.Ignore)], ignore...)
	}
	return s
}

// frontendFiles returns the texts by the names under which the frontend reads them from their local source.
func (d Definition) frontendFiles() map[string][]byte {
	files := map[string][]byte{d.Name: d.Dockerfile}
	if d.Ignore != nil {
		files[d.Name+ignoreFile] = d.Ignore
	}
	return files
}
