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

// Texts holds the texts that decide what a build does: the Dockerfile and the ignore files of its contexts.
type Texts struct {
	Name       string // of the Dockerfile, as errors show it
	Dockerfile []byte
	Ignore     []byte            // the ignore file of the main context; nil if there is none
	IgnorePath string            // where Ignore was found
	Named      map[string][]byte // ignore files of the named contexts; nil for a context that has none

	linkWarnings []string // about ignore files that are links to nothing that BuildKit sees
}

// readTexts reads the texts of a plan. The ignore file of the main context is <Dockerfile>.dockerignore or, when
// there is none, .dockerignore in its root. That of a named context is its own .dockerignore. No ignore file is looked
// for beside a Dockerfile at a URL.
//
// Its errors are those of file.Bounds.Read, or *download.Error.
func readTexts(ctx context.Context, files Files) (Texts, error) {
	texts := Texts{Name: "Dockerfile", Dockerfile: files.Inline, Named: map[string][]byte{}}
	if files.Dockerfile != "" {
		texts.Name = filepath.Base(files.Dockerfile)
		text, err := ReadDockerfile(ctx, files)
		if err != nil {
			return texts, err
		}
		texts.Dockerfile, texts.IgnorePath = text.Text, files.Dockerfile+ignoreFile
		dir, name := filepath.Dir(files.Dockerfile), texts.Name+ignoreFile
		if texts.Ignore, err = texts.readIgnoreFile(ctx, files, dir, name); err != nil {
			return texts, err
		}
	}
	var err error
	if files.DockerfileURL != "" {
		if texts.Dockerfile, err = files.Downloads.read(ctx, files.DockerfileURL); err != nil {
			return texts, err
		}
	}
	if texts.Ignore == nil && !IsRemote(files.Context) {
		texts.IgnorePath = filepath.Join(files.Context, ignoreFile)
		if texts.Ignore, err = texts.readIgnoreFile(ctx, files, files.Context, ignoreFile); err != nil {
			return texts, err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(files.Named)) {
		dir := files.Named[name]
		if IsRemoteNamedContext(dir) {
			continue
		}
		if texts.Named[name], err = texts.readIgnoreFile(ctx, files, dir, ignoreFile); err != nil {
			return texts, err
		}
	}
	return texts, nil
}

// DockerfileText is the text of a Dockerfile and where it was found.
type DockerfileText struct {
	Text []byte
	// Linked is where the file is when a link out of the build context led to it, "" otherwise. The author of the
	// context may not be allowed to read such a file: show no part of the text before it proved to be a Dockerfile.
	Linked string
}

// ReadDockerfile reads the Dockerfile of files, which must name one. Its errors are those of file.Bounds.Read, or
// *download.Error.
func ReadDockerfile(ctx context.Context, files Files) (read DockerfileText, err error) {
	if files.DockerfileURL != "" {
		read.Text, err = files.Downloads.read(ctx, files.DockerfileURL)
		return read, err
	}
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

// readIgnoreFile reads an ignore file of a folder. It returns nil if there is none, and never nil for an empty one.
//
// It follows links as BuildKit does: as if the folder were the root of the file system. A link out of the folder leads
// to nothing, and readIgnoreFile keeps a warning. A file that exists and cannot be read is an error: without it the
// build would take what the file excludes.
func (texts *Texts) readIgnoreFile(ctx context.Context, files Files, dir, name string) ([]byte, error) {
	found, err := files.openIgnoreFile(dir, name)
	if isAbsent(err) {
		texts.warnOfLink(dir, name)
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = found.Close() }()
	data, err := file.ReadAll(ctx, found, file.LimitText)
	return append([]byte{}, data...), err
}

// warnOfLink keeps a warning if an ignore file that BuildKit does not see is a link out of its folder.
func (texts *Texts) warnOfLink(dir, name string) {
	path := filepath.Join(dir, name)
	target, err := os.Readlink(path)
	if err != nil {
		return
	}
	f, err := file.Bounds{dir}.Open(path)
	if err == nil { // an absolute path: BuildKit takes it for a path in the folder
		_ = f.Close()
	}
	if err == nil || errors.As(err, new(*file.LinkError)) {
		warning := fmt.Sprintf("the ignore file %s has no effect: it is a link to %q, out of %s, which BuildKit does "+
			"not follow. Put a copy there, or give the Dockerfile an ignore file of its own "+
			"(<Dockerfile>.dockerignore) inside the build context", path, target, dir)
		texts.linkWarnings = append(texts.linkWarnings, warning)
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
func (texts Texts) Source() dockerfile.Source {
	s := dockerfile.Source{Name: texts.Name, Text: texts.Dockerfile, Ignore: texts.Ignore}
	for _, ignore := range texts.Named {
		s.Ignore = append(s.Ignore[:len(s.Ignore):len(s.Ignore)], ignore...)
	}
	return s
}

// frontendFiles returns the texts by the names under which the frontend reads them from their local source.
func (texts Texts) frontendFiles() map[string][]byte {
	files := map[string][]byte{texts.Name: texts.Dockerfile}
	if texts.Ignore != nil {
		files[texts.Name+ignoreFile] = texts.Ignore
	}
	return files
}
