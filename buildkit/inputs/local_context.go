package inputs

import (
	"context"
	"errors"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/source"
)

// localContext is one build context on this machine.
type localContext struct {
	source, name, dir string // name is "" for the main context
	ignore            []byte
	ignorePath        string
}

// localContexts returns the main context, then the named ones in the order of their names. Contexts that the daemon
// fetches are not among them.
func localContexts(files Files, texts Texts) []localContext {
	all := []localContext{{
		source: contextSource, dir: files.Context, ignore: texts.Ignore, ignorePath: texts.IgnorePath,
	}}
	if IsRemote(files.Context) {
		all = nil
	}
	for _, name := range slices.Sorted(maps.Keys(files.Named)) {
		dir := files.Named[name]
		if IsRemoteNamedContext(dir) {
			continue
		}
		all = append(all, localContext{
			source: namedContextSource(name), name: name, dir: dir,
			ignore: texts.Named[name], ignorePath: filepath.Join(dir, ignoreFile),
		})
	}
	return all
}

// scope returns the part of a context that the build reads; nil reads are all of it. Like BuildKit, it does not look at
// the ignore file of a context that is not read, whatever that file says.
func (c localContext) scope(ctx context.Context, files Files, reads ReadSet) (source.Scope, error) {
	paths, isRead := reads[c.source]
	if reads != nil && !isRead {
		return source.Scope{Includes: []string{}}, nil
	}
	excludes, err := ignorePatterns(c.ignore, c.dir, c.ignorePath)
	if err != nil || paths == nil {
		return source.Scope{Excludes: excludes}, err
	}
	root, err := files.open(c.dir)
	if err != nil {
		return source.Scope{}, err
	}
	defer func() { _ = root.Close() }()
	includes, err := source.FollowLinks(ctx, root, paths)
	return source.Scope{Excludes: excludes, Includes: includes}, err
}

// mayRead tells whether the build may read what something else writes at path into this context. Dir is the absolute
// path of the context, and path is absolute too.
func (c localContext) mayRead(ctx context.Context, in *Inputs, dir, path string) bool {
	inside, err := filepath.Rel(dir, path)
	if err != nil {
		return false // another volume
	}
	inside = filepath.ToSlash(inside)
	if strings.Trim(inside, "./") == "" { // the context, or around it
		return true
	}
	if strings.HasPrefix(inside, "../") {
		return false
	}
	scope, err := c.scope(ctx, in.files, in.predicted.Reads)
	return err != nil || scope.MayTake(inside)
}

// withIgnoreFile adds to an error about a changed file of the context how an ignore file leaves that file out. It
// returns any other error as it is.
func (c localContext) withIgnoreFile(err error, texts Texts) error {
	file, ok := errors.AsType[*source.ChangedError](err)
	if !ok {
		return err
	}
	path := filepath.Join(c.dir, ignoreFile)
	if c.name == "" && texts.IgnorePath != "" {
		path = texts.IgnorePath
	}
	return &ChangedFileError{ChangedError: file, IgnoreFile: path, Pattern: ignorePattern(file.Path)}
}

// withContextName adds the name of a named context to an error.
func (c localContext) withContextName(err error) error {
	if c.name == "" {
		return err
	}
	return &NamedContextError{Name: c.name, err: err}
}

// NamedContextError is an error about a named context.
type NamedContextError struct {
	Name string
	err  error
}

func (e *NamedContextError) Error() string { return e.err.Error() }

// Unwrap returns the cause.
func (e *NamedContextError) Unwrap() error { return e.err }
