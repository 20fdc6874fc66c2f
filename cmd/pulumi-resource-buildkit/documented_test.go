package main

import (
	"io/fs"
	"path"
	"regexp"
	"strings"
	"testing"
)

var (
	fenced     = regexp.MustCompile("(?ms)^ *```.*?^ *```")
	quoted     = regexp.MustCompile("`([^`\n]+)`")
	linked     = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading    = regexp.MustCompile(`(?m)^#+ (.*)$`)
	anchorID   = regexp.MustCompile(`<a id="([^"]+)"`)
	notAnchor  = regexp.MustCompile(`[^\p{L}\p{N}_ -]`)
	goFile     = regexp.MustCompile(`(?:[\w.-]+/)*\w+\.go\b`)
	topFolders = `cmd|provider|buildkit|registry|internal|test|examples|docs`
	ourPath    = regexp.MustCompile(`^(?:` + topFolders + `|\.tools)(?:/[\w.-]+)+/?$`)
	ourPaths   = regexp.MustCompile(`\b(?:` + topFolders + `)(?:/[\w-]+)+(?:\.md)?`)
	symbol     = regexp.MustCompile(`^\w+(?:\.[A-Z]\w*)+$`)
	symbols    = regexp.MustCompile(`\b[a-z]\w+(?:\.[A-Z]\w*)+\b|\b[A-Z]\w*\.[A-Z]\w*\b`)
	tableEntry = regexp.MustCompile(`(?m)^\t([A-Z]\w*(?:\.[A-Z]\w*)?)  `)
	testName   = regexp.MustCompile(`^(?:Test|Fuzz|Benchmark)[A-Z]\w*$`)
	testOfFile = regexp.MustCompile("`([\\w./-]+_test\\.go): ((?:Test|Fuzz|Benchmark)\\w*)`")
)

// Pages name only files, packages and exported declarations that exist. Each link leads to a file and a heading.
func TestPagesNameWhatExists(t *testing.T) {
	t.Parallel()
	r := readRepository(t)
	for _, page := range r.files {
		folder := path.Dir(page)
		if !strings.HasSuffix(page, ".md") || folder != "docs" && folder != ".github" && page != "README.md" {
			continue
		}
		source, err := fs.ReadFile(r.root, page)
		if err != nil {
			t.Fatal(err)
		}
		text := fenced.ReplaceAllString(string(source), "")
		for _, m := range quoted.FindAllStringSubmatch(text, -1) {
			checkQuoted(t, r, page, m[1])
		}
		for _, m := range testOfFile.FindAllStringSubmatch(text, -1) {
			checkTest(t, r, page, m[1], m[2])
		}
		for _, m := range linked.FindAllStringSubmatch(text, -1) {
			checkLink(t, r, page, m[1])
		}
	}
}

// checkQuoted reports a file, path or symbol of ours that does not exist.
func checkQuoted(t *testing.T, r *repository, page, text string) {
	t.Helper()
	text, _, _ = strings.Cut(text, ": ")
	switch {
	case testName.MatchString(text):
		if !r.tests[text] {
			t.Errorf("%s names %s, which is no test here", page, text)
		}
	case goFile.FindString(text) == text, ourPath.MatchString(text):
		if !r.hasFile("docs", text) {
			t.Errorf("%s names %s, which does not exist", page, text)
		}
	case symbol.MatchString(text) && !r.declares("docs", text):
		t.Errorf("%s names %s, which no package declares", page, text)
	}
}

// checkTest reports a test that is not in the file.
func checkTest(t *testing.T, r *repository, page, file, test string) {
	t.Helper()
	source, err := fs.ReadFile(r.root, file)
	if err != nil || !strings.Contains(string(source), "\nfunc "+test+"(") {
		t.Errorf("%s names %s: %s, which does not exist", page, file, test)
	}
}

// checkLink reports a link within the repository that leads to no file or to no heading of one.
func checkLink(t *testing.T, r *repository, page, link string) {
	t.Helper()
	if strings.Contains(link, "://") {
		return
	}
	file, fragment, _ := strings.Cut(link, "#")
	target := page
	if file != "" {
		target = path.Join(path.Dir(page), file)
	}
	source, err := fs.ReadFile(r.root, target)
	if folder, statErr := fs.Stat(r.root, target); err != nil && (statErr != nil || !folder.IsDir()) {
		t.Errorf("%s links to %s, which does not exist", page, link)
	}
	if fragment != "" && !hasAnchor(string(source), fragment) {
		t.Errorf("%s links to %s, but no heading there has this anchor", page, link)
	}
}

// hasAnchor tells whether a page has a heading or an element with the ID.
func hasAnchor(text, id string) bool {
	for _, m := range heading.FindAllStringSubmatch(text, -1) {
		if strings.ReplaceAll(notAnchor.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-") == id {
			return true
		}
	}
	for _, m := range anchorID.FindAllStringSubmatch(text, -1) {
		if m[1] == id {
			return true
		}
	}
	return false
}

// Package comments name only files, paths and exported declarations that exist.
func TestPackageCommentsNameWhatExists(t *testing.T) {
	t.Parallel()
	r := readRepository(t)
	for folder, comment := range r.comments {
		for _, name := range append(goFile.FindAllString(comment, -1), ourPaths.FindAllString(comment, -1)...) {
			if !r.hasFile(folder, name) {
				t.Errorf("the package comment of %s names %s, which does not exist", folder, name)
			}
		}
		for _, name := range symbols.FindAllString(comment, -1) {
			if !r.declares(folder, name) {
				t.Errorf("the package comment of %s names %s, which no package declares", folder, name)
			}
		}
		for _, m := range tableEntry.FindAllStringSubmatch(comment, -1) {
			if !r.declared[folder][m[1]] {
				t.Errorf("the package comment of %s lists %s, which the package does not declare", folder, m[1])
			}
		}
	}
}
