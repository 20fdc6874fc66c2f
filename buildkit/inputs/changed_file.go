package inputs

import (
	"errors"
	"path/filepath"
	"strings"
	"unicode"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/source"
)

// ChangedFileError is about a file of a build context that somebody wrote while the build ran.
type ChangedFileError struct {
	*source.ChangedError
	// IgnoreFile is the path of the ignore file that is in force for the context; it need not exist.
	IgnoreFile string
	// Pattern is a line of it that leaves the file out.
	Pattern string
}

func (e *ChangedFileError) Unwrap() error { return e.ChangedError }

// WithIgnoreFile adds to the error about a file of a local source how it is left out.
func (in *Inputs) WithIgnoreFile(err error) error {
	file, ok := errors.AsType[*source.ChangedError](err)
	if !ok {
		return err
	}
	c, ok := in.contexts[file.Source]
	if !ok {
		return err
	}
	return c.withIgnoreFile(err, in.Definition)
}

// withIgnoreFile adds to the error about a file of the context how it is left out.
func (c localContext) withIgnoreFile(err error, d Definition) error {
	file, ok := errors.AsType[*source.ChangedError](err)
	if !ok {
		return err
	}
	path := filepath.Join(c.dir, ignoreFile)
	if c.name == "" && d.IgnorePath != "" {
		path = d.IgnorePath
	}
	return &ChangedFileError{ChangedError: file, IgnoreFile: path, Pattern: ignorePattern(file.Path)}
}

// ignorePattern returns a line of an ignore file that matches the path. What has a meaning of its own in there is matched
// by a question mark, as any other character is.
func ignorePattern(path string) string {
	pattern := []rune(path)
	for i, r := range pattern {
		edge := i == 0 || i == len(pattern)-1
		switch {
		case strings.ContainsRune(`*?[]^\`, r), r < ' ', r == 0x7f, r == 0xfeff, edge && unicode.IsSpace(r), i == 0 && strings.ContainsRune("!#", r):
			pattern[i] = '?'
		}
	}
	return string(pattern)
}
