package inputs

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/moby/patternmatcher"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/source"
)

// The pattern is a line that an ignore file takes, and matches the very path.
func TestIgnorePatternMatchesThePath(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"logs/app.log":  "logs/app.log",
		"a b/c d":       "a b/c d",
		"#a":            "?a",
		"!a":            "?a",
		"a#!":           "a#!",
		" a ":           "?a?",
		"a[1]*?\\\n":    "a?1?????",
		"é/☃.db":        "é/☃.db",
		"dir/ a":        "dir/ a",
		"\ufeffa":       "?a",
		"\u3000a\u00a0": "?a?",
		"a^[1":          "a??1",
		"x/.git/[a-z].": "x/.git/?a-z?.",
	} {
		pattern := ignorePattern(path)
		if pattern != want {
			t.Errorf("%q: %q, want %q", path, pattern, want)
		}
		list, err := ignorePatterns([]byte(pattern+"\n"), ".", ignoreFile)
		if err != nil {
			t.Errorf("%q: %v", path, err)
			continue
		}
		if ok, err := patternmatcher.MatchesOrParentMatches(path, list); !ok || err != nil {
			t.Errorf("%q is not matched by %q: %v", path, list, err)
		}
	}
}

// The ignore file is the one that is in force for the context of the file.
func TestChangedFileNamesTheIgnoreFile(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		source string
		path   string
		want   string
	}{
		"none": {source: contextSource, path: "app/.dockerignore", want: "app/.dockerignore"},
		"of the Dockerfile": {
			source: contextSource,
			path:   "app/Dockerfile.dockerignore",
			want:   "app/Dockerfile.dockerignore",
		},
		"of another": {
			source: namedContextSource("lib"), path: "app/Dockerfile.dockerignore", want: "lib/.dockerignore",
		},
	} {
		in := &Inputs{Texts: Texts{IgnorePath: test.path}, contexts: map[string]localContext{
			contextSource:             {source: contextSource, dir: "app"},
			namedContextSource("lib"): {source: namedContextSource("lib"), name: "lib", dir: "lib"},
		}}
		cause := &source.ChangedError{Source: test.source, Path: "logs/a", Change: source.Grew}
		file, ok := errors.AsType[*ChangedFileError](in.WithIgnoreFile(cause))
		if !ok || file.IgnoreFile != filepath.FromSlash(test.want) || file.Pattern != "logs/a" {
			t.Errorf("%s: %+v", name, file)
		}
	}
}
