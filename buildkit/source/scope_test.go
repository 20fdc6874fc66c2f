package source

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tonistiigi/fsutil"
)

// A scan takes exactly what BuildKit's own client sends, for any patterns.
func FuzzScope(f *testing.F) {
	seeds := []struct{ excludes, includes, name string }{
		{"", "", "x"}, {"*", "", "x"}, {"*\n!d/e", "", "d e"}, {"**/*.go\n!d", "d", "[x]"},
		{"d/*\n!d/**/z.go", "d\na", "!x"},
		{"!a", "d/e/z.go", "#"}, {"/d/\n./n", "n/m", "back\\slash"}, {"d/**\n!d/e/**", "*", "é"},
		{"?\n[a-d]*", "d*/x.go", "é"},
		{"**\n!**/k", "**/k\nlink", "-"}, {"n/m\n!n", "../a", "new\nline"}, {"\\*\n!\\d", "!a", "^"},
		{"a-b\nd-", "link/x.go", "d-"}, {"d\n!d/e/z.go/..", "loop", "k"},
	}
	for _, s := range seeds {
		f.Add(s.excludes, s.includes, s.name, false)
		f.Add(s.excludes, s.includes, s.name, true)
	}
	f.Fuzz(func(t *testing.T, excludes, includes, name string, follow bool) {
		dir := fuzzedTree(t, name)
		opt := &fsutil.FilterOpt{ExcludePatterns: lines(excludes), IncludePatterns: lines(includes)}
		scope := Scope{Excludes: lines(excludes), Includes: lines(includes)}
		var followErr error
		if follow && includes != "" {
			opt.IncludePatterns, opt.FollowPaths = nil, lines(includes)
			root, err := os.OpenRoot(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = root.Close() }()
			scope.Includes, followErr = FollowLinks(t.Context(), root, lines(includes))
		}
		want, wantErr := pathsSentByBuildKit(t, dir, opt)
		scanned, err := Scan(t.Context(), dir, scope, Options{})
		if wantErr != nil || followErr != nil || err != nil {
			if (wantErr == nil) != (err == nil && followErr == nil) {
				t.Fatalf("BuildKit's error %v, ours %v, %v", wantErr, err, followErr)
			}
			return
		}
		got := []string{}
		for _, e := range scanned.entries {
			got = append(got, e.path)
		}
		if !slices.Equal(got, want) {
			t.Errorf("took %q, BuildKit takes %q", got, want)
		}
	})
}

// lines splits a text. It returns nil, which is no filter, for an empty one.
func lines(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}

// fuzzedTree makes a tree with entries of all kinds. Some of them have the given name if a file can have it.
func fuzzedTree(t *testing.T, name string) string {
	t.Helper()
	files := map[string]string{
		"a": "", "a-b": "", ".x": "", "d/x.go": "", "d/y.md": "", "d/e/z.go": "", "d/e/k/": "", "n/m/k": "",
		"empty/": "", "link": "->d", "loop": "->loop", "n/up": "->../d/e", "n/abs": "->/n/m", "dangling": "->nowhere",
	}
	usable := name != "" && len(name) < 200 && !strings.ContainsAny(name, "/\x00") &&
		strings.Trim(name, ".") != "" && utf8.ValidString(name)
	if _, taken := files[name]; usable && !taken && name != "d" && name != "n" && name != "empty" {
		files[name], files["n/"+name+"/x"], files["d/e/"+name] = "", "", "->../"+name
		if name == "m" || name == "up" || name == "abs" {
			delete(files, "n/"+name+"/x")
		}
		if name == "z.go" || name == "k" {
			delete(files, "d/e/"+name)
			files["d/e/"+name+"2"] = ""
		}
	}
	return writeTree(t, files)
}

// pathsSentByBuildKit returns the paths that BuildKit's client sends.
func pathsSentByBuildKit(t *testing.T, dir string, opt *fsutil.FilterOpt) ([]string, error) {
	t.Helper()
	disk, err := fsutil.NewFS(dir)
	if err != nil {
		t.Fatal(err)
	}
	taken, err := fsutil.NewFilterFS(disk, opt)
	if err != nil {
		return nil, err
	}
	paths := []string{}
	err = taken.Walk(context.Background(), "/", func(path string, _ fs.DirEntry, err error) error {
		paths = append(paths, path)
		return err
	})
	return paths, err
}

// A scan takes what BuildKit's client sends also of a tree with more files than a chunk has.
func TestScopeOnADeepTree(t *testing.T) {
	t.Parallel()
	files := map[string]string{}
	for i := range 300 {
		files[filepath.Join(fmt.Sprint("d", i%7), fmt.Sprint("e", i%11), fmt.Sprint("f", i, ".go"))] = ""
	}
	dir := writeTree(t, files)
	for _, excludes := range []string{"d1\n!d1/e2", "**/e*\n!**/f7*", "*\n!d3/e4/f200.go", "d?/e1*/**\n!d2/**/*1.go"} {
		want, err := pathsSentByBuildKit(t, dir, &fsutil.FilterOpt{ExcludePatterns: lines(excludes)})
		if err != nil {
			t.Fatal(err)
		}
		if got := paths(t, dir, lines(excludes)...); !slices.Equal(got, want) {
			t.Errorf("%q: took %d, BuildKit takes %d", excludes, len(got), len(want))
		}
	}
}
