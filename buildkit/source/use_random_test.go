package source

import (
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	iofs "io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	fscopy "github.com/tonistiigi/fsutil/copy"
)

var (
	useCases = flag.Int("uses", 25, "cases of TestExcludedFilesAreNotCopied")
	useSeed  = flag.Uint64("uses-seed", 1, "seed of its first case; case n has the seed plus n")
)

// BuildKit's own copying makes the same of random trees when all excluded entries are gone. It also does after random
// changes that leave the digest of the uses as it was.
func TestExcludedFilesAreNotCopied(t *testing.T) {
	t.Parallel()
	left, equal, needless := 0, 0, 0
	root := t.TempDir()
	for seed := *useSeed; seed < *useSeed+uint64(*useCases); seed++ {
		random := rand.New(rand.NewPCG(seed, 7))
		c := useCase{Rand: random, dir: filepath.Join(root, "from"), to: filepath.Join(root, "to")}
		must(os.Mkdir(c.dir, 0o755))
		c.grow(4 + c.IntN(14))
		for range 1 + c.IntN(3) {
			c.uses = append(c.uses, c.use())
		}
		before, recorded := c.copies(t), c.scan(t)
		used := recorded.WithoutExcluded(c.uses)
		sum := used.Digest()
		for _, path := range slices.Backward(recorded.Paths()) {
			if used.find(path) == nil {
				left++
				must(os.Remove(filepath.Join(c.dir, path)))
			}
		}
		if got := c.copies(t); got != before {
			t.Fatalf("seed %d: %+v\n%q\nleft out: all but %q\nbefore:\n%s\nafter:\n%s",
				seed, c.uses, recorded.Paths(), used.Paths(), before, got)
		}
		if c.scan(t).WithoutExcluded(c.uses).Digest() != sum {
			t.Fatalf("seed %d: %+v\n%q: what is left out is part of the digest", seed, c.uses, recorded.Paths())
		}
		for range 8 {
			c.change()
			got, now := c.copies(t), c.scan(t).DigestOf(c.uses)
			switch {
			case now == sum && got != before:
				t.Fatalf("seed %d: %+v\n%q\nbecame\n%q\nbefore:\n%s\nafter:\n%s",
					seed, c.uses, recorded.Paths(), c.scan(t).Paths(), before, got)
			case now == sum:
				equal++
			case got == before:
				needless++
			}
			before, sum = got, now
		}
		must(os.RemoveAll(c.dir))
	}
	t.Logf("%d entries left out, %d changes without a say, %d changes with an equal copy and another digest",
		left, equal, needless)
	if *useCases >= 60 && (left < *useCases/4 || equal < *useCases) {
		t.Error("the generator makes too few cases of interest")
	}
}

// useCase is a random tree and its uses.
type useCase struct {
	*rand.Rand
	dir  string
	to   string // copies are made there
	uses []Use
}

var useNames = []string{"a", "b", "c.md", "d.md", "a-b", "docs"}

func (c useCase) pick(names ...string) string { return names[c.IntN(len(names))] }

// path returns a random path that may not exist.
func (c useCase) path() string {
	path := c.pick(useNames...)
	for c.IntN(2) == 0 {
		path += "/" + c.pick(useNames...)
	}
	return path
}

// grow adds n random entries.
func (c useCase) grow(n int) {
	for range n {
		path := filepath.Join(c.dir, c.path())
		if inside, err := filepath.EvalSymlinks(filepath.Dir(path)); err != nil || !strings.HasPrefix(inside, c.dir) {
			continue
		}
		switch c.IntN(5) {
		case 0, 1:
			_ = os.Mkdir(path, 0o755)
		case 2:
			_ = os.Symlink(c.pick("", "/", "../")+c.path(), path)
		default:
			if _, err := os.Lstat(path); err != nil {
				_ = os.WriteFile(path, []byte(c.pick("one", "two")), 0o644)
			}
		}
	}
}

func (c useCase) use() Use {
	u := Use{Wildcards: c.IntN(6) > 0}
	u.Path = c.pick("/", "/", "/", "/"+c.path(), "/"+c.path(), "/*", "/"+c.pick(useNames...)+"/*", "/?",
		"/*/"+c.pick(useNames...), "/[a-c]*")
	if !u.Wildcards && strings.ContainsAny(u.Path, "*?[") {
		u.Path = "/"
	}
	if c.IntN(4) == 0 {
		u.Path, u.Includes = "/", []string{c.pick(c.path(), "*/"+c.pick(useNames...), "**/*.md", "docs")}
	}
	for c.IntN(3) > 0 {
		p := c.pick("*.md", "**/*.md", "**", "*", "docs", "docs/**", "**/docs", "docs/*", "a*",
			"*/b", c.path(), c.path(), "/"+c.path())
		if c.IntN(3) == 0 {
			p = "!" + p
		}
		u.Excludes = append(u.Excludes, p)
	}
	return u
}

// change changes the tree at random.
func (c useCase) change() {
	paths := []string{""}
	must(filepath.WalkDir(c.dir, func(path string, _ iofs.DirEntry, err error) error {
		if path != c.dir {
			paths = append(paths, path)
		}
		return err
	}))
	path := c.pick(paths...)
	if path == "" {
		c.grow(2)
		return
	}
	info, err := os.Lstat(path)
	must(err)
	switch {
	case c.IntN(4) == 0:
		must(os.RemoveAll(path))
	case info.IsDir():
		must(os.Chmod(path, info.Mode()^0o050))
	case info.Mode()&os.ModeSymlink != 0:
		must(os.Remove(path))
		must(os.Symlink(c.pick("", "/", "../")+c.path(), path))
	default:
		must(os.WriteFile(path, []byte(c.pick("one", "two", "three")), 0o644))
	}
}

func (c useCase) scan(t *testing.T) *Tree {
	t.Helper()
	tree, err := Scan(t.Context(), c.dir, Scope{}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// copies returns what BuildKit makes of the uses (docopy of solver/llbsolver/file): paths, modes, texts of links and
// contents.
func (c useCase) copies(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, u := range c.uses {
		must(os.Mkdir(c.to, 0o755))
		err := c.copy(t, u)
		fmt.Fprintf(&all, "%s, failed: %t\n", u.Path, err != nil)
		must(filepath.WalkDir(c.to, func(path string, entry iofs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := entry.Info()
			link, _ := os.Readlink(path)
			content, _ := os.ReadFile(path)
			name, sum := strings.TrimPrefix(path, c.to), sha256.Sum256(content)
			fmt.Fprintf(&all, "  %s %v %q %x\n", name, info.Mode(), link, sum)
			return err
		}))
		must(os.RemoveAll(c.to))
	}
	return all.String()
}

func (c useCase) copy(t *testing.T, u Use) error {
	t.Helper()
	sources := []string{u.Path}
	if u.Wildcards {
		var err error
		if sources, err = fscopy.ResolveWildcards(c.dir, u.Path, true); err != nil {
			return err
		}
	}
	options := func(ci *fscopy.CopyInfo) {
		ci.IncludePatterns, ci.ExcludePatterns, ci.CopyDirContents, ci.FollowLinks = u.Includes, u.Excludes, true, true
	}
	for _, s := range sources {
		if err := fscopy.Copy(t.Context(), c.dir, s, c.to, "/out/", options); err != nil {
			return errors.Join(err)
		}
	}
	return nil
}

// must panics if the machine itself does not work.
func must(err error) {
	if err != nil {
		panic(err)
	}
}
